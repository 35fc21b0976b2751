"""The participants of the simulated charging network. Each module is one kind; they only speak HTTP."""

from simulators.participants.start import Participants, default_needs, start_participants
from simulators.participants.trader import Need

__all__ = ["Need", "Participants", "default_needs", "start_participants"]
