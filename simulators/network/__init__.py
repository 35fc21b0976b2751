"""The network study: does trade feed storage? Homes, sites, makers and a data centre in one market.

Arrays in one process instead of gateways: see `market.run_year` for the coupled market, `run.study`
for the whole, docs/study.md for what it says.
"""
