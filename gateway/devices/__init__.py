"""Devices by profile: what they can do, how to read, steer and release them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from gateway.devices.proof import Note
from gateway.domain.control import Control
from gateway.domain.readings import Reading
from gateway.domain.sentences import Sentence


@dataclass(frozen=True, slots=True)
class ReleaseReport:
    """How a release went. ``problems`` has a sentence for each step that failed; empty = neutral."""

    device: str
    neutral: bool
    problems: tuple[Sentence, ...] = ()


class Device(Protocol):
    """One device of the site, whatever it speaks. Methods raise `DeviceError` naming the device."""

    name: str

    @property
    def made_by(self) -> tuple[str, str]:
        """Maker and model as the device states them; empty where it does not, or not yet."""

    @property
    def versions(self) -> tuple[str, str]:
        """Firmware as the device states it (else empty), and the datasheet that it is read by."""

    @property
    def controls(self) -> frozenset[Control]:
        """What it can be asked to do."""

    @property
    def notes(self) -> tuple[Note, ...]:
        """What a person should know of how it is steered, in sentences; empty when all is as usual."""

    @property
    def sleeps_at_night(self) -> bool:
        """Whether silence in the dark is its nature and no fault."""

    async def poll(self) -> tuple[Reading, ...]:
        """Read what is due now; one reading a metric. Raises DeviceError when it does not answer."""

    async def hold(self, control: Control, value: float) -> None:
        """Ask for ``value`` (unit in the control's name) and keep the lease alive.

        Called at every control tick while the value is wanted; the device writes only what has
        changed or must be renewed. Raises DeviceError when the device refuses or is lost.
        """

    async def release(self, controls: Collection[Control] = ()) -> ReleaseReport:
        """Make the device neutral (all controls, or those given); never raises for a lost device.

        Steps do not block each other; the result is verified by read-back.
        """

    def lets_go_after_s(self, control: Control) -> float | None:
        """How long it keeps a setpoint that nobody renews, s; None where it does so for ever."""

    async def steered_by_another(self) -> Sentence | None:
        """Asked before the first release: what to tell people while something that is not ours steers it and must be
        watched or left alone; None when it may be released. Raises DeviceError."""

    async def close(self) -> None:
        """Let go of the connection."""


class IntentStore(Protocol):
    """Durable memory of what we are about to change on devices that have no dead-man of their own.

    The journal's file implements it. ``remember`` returns only when the intent is on disk.
    """

    def remember(self, device: str, control: Control, restore: str, time: datetime) -> None:
        """Store, before the write, that ``control`` of ``device`` is ours and what restores it."""

    def forget(self, device: str, control: Control) -> None:
        """The device is neutral again."""

    def pending(self, device: str) -> dict[Control, str]:
        """What a previous run may have left forced: control -> restore text."""

    def write_count(self, device: str, register: int, day: str) -> int:
        """Writes to a flash register counted on ``day`` (YYYY-MM-DD)."""

    def count_write(self, device: str, register: int, day: str) -> None:
        """Count one write to a flash register."""
