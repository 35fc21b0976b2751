"""What shows that a device obeys: which device it is, and who answers for steering it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

from gateway.devices.datasheet import Identity
from gateway.domain.control import Control


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """One device as a proof knows it: it holds for this serial number, firmware and register map.

    ``place`` is its address and unit number, and part of it only where the device tells no serial number.
    """

    profile: str
    manufacturer: str
    model: str
    serial: str
    firmware: str
    place: str = ""

    @classmethod
    def of(cls, profile: str, identity: Identity, place: str) -> Fingerprint:
        """Of a device that says ``identity`` of itself and stands at ``place``."""
        serial = identity.serial if tells_apart(identity.serial) else ""
        return cls(
            profile,
            identity.manufacturer,
            identity.model,
            serial,
            identity.version,
            "" if serial else place,
        )

    def same_device(self, other: Fingerprint) -> bool:
        """Whether they are one device, perhaps with another firmware."""
        return (self.profile, self.serial, self.place) == (
            other.profile,
            other.serial,
            other.place,
        )


def tells_apart(serial: str) -> bool:
    """Whether a serial number tells devices apart: '0000' and 'XXXX' do not."""
    return len(set(serial)) > 1


class Note(NamedTuple):
    """A sentence about a device; ``alarm``: a person should look at it now."""

    text: str
    alarm: bool = False


class Proofs(Protocol):
    """Who knows what was proved."""

    def missing(self, device: str, who: Fingerprint, control: Control) -> Note | None:
        """Why the control is not offered yet, as half a sentence; None where it is proved."""
