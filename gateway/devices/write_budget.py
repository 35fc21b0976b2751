"""Registers that the device keeps in flash: written on change only, and so often a day at most.

Flash wears out: makers state some 100,000 writes for a cell, and a control loop runs 43,000 times a
day. The count is durable, so that a restart does not begin the day anew.
"""

from __future__ import annotations

from collections.abc import Iterable

from gateway.clock import Clock
from gateway.devices import IntentStore
from gateway.devices.control_sheet import ControlSheet, ReadBack, Write
from gateway.errors import DeviceError, StorageError


class BudgetSpent(DeviceError):
    """A register was written as often as its device stands in a day, or nobody knows how often."""


class WriteBudget:
    """What may still be written today to the flash registers of one control."""

    def __init__(
        self, device: str, sheet: ControlSheet, intents: IntentStore, clock: Clock
    ) -> None:
        self._device, self._intents, self._clock = device, intents, clock
        self.sheet = sheet

    def in_flash(self, step: Write) -> bool:
        """Whether this write goes to a register that is kept in flash."""
        flash = self.sheet.flash
        return any(address in flash for address, _ in step.by_address)

    def is_there(self, step: Write, read_back: ReadBack) -> bool:
        """Whether a flash register reads already what would be written: then it is left alone."""
        return self.in_flash(step) and all(read_back.word(a) == w for a, w in step.by_address)

    def check(self, steps: Iterable[Write]) -> None:
        """Raise BudgetSpent, before anything is written, if one of these writes would be too many."""
        for step in steps:
            if self.in_flash(step) and self._spent(step) >= self.sheet.max_per_day:
                raise BudgetSpent(
                    f"register {step.address} is kept in flash and was written"
                    f" {self.sheet.max_per_day} times today; not written again"
                )

    def count(self, step: Write, must: bool) -> None:
        """Count one write. ``must``: it is made even where it cannot be counted."""
        if not self.in_flash(step):
            return
        try:
            self._intents.count_write(self._device, step.address, self._day())
        except StorageError as error:
            if not must:
                raise DeviceError(f"writes to flash cannot be counted: {error}") from error

    def _spent(self, step: Write) -> int:
        try:
            return self._intents.write_count(self._device, step.address, self._day())
        except StorageError as error:
            raise BudgetSpent(f"writes to flash cannot be counted: {error}") from error

    def _day(self) -> str:
        return self._clock.now().date().isoformat()
