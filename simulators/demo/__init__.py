"""The demo: one home, its devices, broker, exchange and participants, for some simulated days."""
