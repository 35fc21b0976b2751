"""What shows that a device obeys: which device it is, and who answers for steering it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from gateway.devices.datasheet import Identity
from gateway.domain.control import Control
from gateway.domain.sentences import Sentence, listed, sentence


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
    """What is to be said of a device; ``alarm``: a person should look at it now."""

    said: Sentence
    alarm: bool = False


class Gap(NamedTuple):
    """Why a control is not offered yet, as half a sentence; ``alarm``: it was proved, or has failed."""

    why: str | Sentence
    alarm: bool = False


_OWNERS_WORDS = {
    Control.BATTERY_POWER: "its battery",
    Control.PV_LIMIT: "the limit of its output",
    Control.EXPORT_LIMIT: "its export limit",
    Control.RESERVE: "the reserve that it keeps by itself",
    Control.CHARGE_CURRENT: "the car's charging",
    Control.CHARGE_PHASES: "the change between one and three phases",
    Control.HEAT_POWER: "its heating",
    Control.SG_READY: "its SG Ready state",
}


def not_steered(device: str, gaps: Mapping[Control, Gap]) -> Note:
    """One sentence for its owner: what this device is not told, why, and what to do."""
    reasons = dict.fromkeys(gap.why for gap in gaps.values())
    what, *more = [
        sentence(
            "not_proved.why", what=_listed(c for c, g in gaps.items() if g.why == why), why=why
        )
        for why in reasons
    ]
    for part in more:
        what = sentence("not_proved.nor", what=what, next=part)
    said = sentence("not_proved", what=what, device=device)
    return Note(said, any(gap.alarm for gap in gaps.values()))


def left_to_another(controls: Iterable[Control]) -> Note:
    """What somebody else has written over: two masters would fight."""
    return Note(sentence("another_controller.too", what=_listed(controls)), alarm=True)


def battery_ignores(told_w: float, done_w: float) -> Note:
    """A battery that answers every write and does something else."""
    said = sentence("battery_ignores", wanted=f"{told_w:.0f} W", measured=f"{done_w:.0f} W")
    return Note(said, alarm=True)


def by_the_owners_word(gaps: Mapping[Control, Gap]) -> Note:
    """One sentence on what is steered though nothing proved it."""
    return Note(sentence("unproved", what=_listed(gaps)))


def _listed(controls: Iterable[Control]) -> str | Sentence:
    return listed([_OWNERS_WORDS[c] for c in controls])


class Proofs(Protocol):
    """Who knows what was proved."""

    def missing(self, who: Fingerprint, control: Control) -> Gap | None:
        """Why the control is not offered yet; None where it is proved."""
