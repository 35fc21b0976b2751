"""Homes that nobody thought of: made by seed, lived for a day with guard and agent, and judged at the meter.

Each is played twice, steered and by its inverter's own rule, with the same sun, load and cars. What an owner or a
grid operator would complain of is a fault, and it is printed with its seed.
"""

from benchmarks.random_homes.homes import home
from benchmarks.random_homes.judge import faults
from benchmarks.random_homes.live import lived

__all__ = ["faults", "home", "lived"]
