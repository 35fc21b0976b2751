"""Frozen values that every room understands; no I/O, no clock, no library but the standard one.

Sign convention, stated here once and used everywhere:

- grid power: import +, export -
- battery power: discharge +, charge -
- PV power: production +
- load power: consumption + (all that the home uses behind the meter, the car included)
- so ``load = pv + battery + grid`` (less conversion losses)
- a traded quantity has a side; a *net* traded or metered quantity is export (sell) +

Energy is integer Wh, a price is an integer number of market ticks, money is an integer number of
1e-8 currency units (tick 0.01 per MWh x 1 Wh). Floats stay in measurements and in the planner.
Time is aware UTC; intervals are half-open.
"""
