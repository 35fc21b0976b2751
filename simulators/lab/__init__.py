"""A laboratory: a home's day written down in a few lines, played with the real guard and agent.

See docs/simulators.md.
"""

from simulators.lab.fast import play
from simulators.lab.lab import Lab, Said
from simulators.lab.result import Result, Sample
from simulators.lab.shapes import DAY, Day, broken_clouds, clear_day, every_day, steady, steps
from simulators.lab.site import Equipment
from simulators.physics.script import Script, Visit
from simulators.physics.sensors import SensorFault
from simulators.physics.values import Battery, Car, House, Inverter

__all__ = [
    "DAY",
    "Battery",
    "Car",
    "Day",
    "Equipment",
    "House",
    "Inverter",
    "Lab",
    "Result",
    "Said",
    "Sample",
    "Script",
    "SensorFault",
    "Visit",
    "broken_clouds",
    "clear_day",
    "every_day",
    "play",
    "steady",
    "steps",
]
