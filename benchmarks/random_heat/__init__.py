"""Homes with hot water that nobody thought of: a boiler (a rod, or behind a plug), sometimes a heat pump, a car, sun, a connection of 4.2 kW and no exchange.

Each is made by seed, lived for a day with guard and agent, and judged at the meter and in the tank; beside it the same home on its own: boiler
and heat pump by their thermostats, the car at once, the battery by its inverter's rule. What an owner or a grid operator would complain of is a fault.

    python -m benchmarks.random_heat --homes 10 [--first 0]

Ends with 1 where a fault was found.
"""
