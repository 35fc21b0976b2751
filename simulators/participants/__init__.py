"""The buyers of the simulated charging network. Each module is one kind; they only speak HTTP."""

from simulators.participants.start import Participants, default_needs, start_participants

__all__ = ["Participants", "default_needs", "start_participants"]
