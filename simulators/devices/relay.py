"""Contacts behind Modbus, as a ripple-control receiver or an input module has them (unit 1)."""

from __future__ import annotations

from simulators.devices.protocol import COILS, DISCRETE, ILLEGAL_ADDRESS, ModbusError
from simulators.devices.view import View

CONTACTS = 8


class RelayBox:
    """Eight discrete inputs and eight coils; `closed` is which of them are on, by table and address."""

    def __init__(self, view: View) -> None:
        self.view = view
        self.closed: set[tuple[int, int]] = set()

    def close(self, address: int, table: int = DISCRETE) -> None:
        """The contact closes."""
        self.closed.add((table, address))

    def open(self, address: int, table: int = DISCRETE) -> None:
        """The contact opens."""
        self.closed.discard((table, address))

    def bits(self, table: int, address: int, count: int) -> list[bool]:
        """See `protocol.HasBits`."""
        if table not in (COILS, DISCRETE) or address + count > CONTACTS:
            raise ModbusError(ILLEGAL_ADDRESS)
        return [(table, address + i) in self.closed for i in range(count)]

    def read(self, table: int, address: int, count: int) -> bytes:
        """It has no registers."""
        raise ModbusError(ILLEGAL_ADDRESS)

    def write(self, address: int, values: tuple[int, ...], function: int) -> None:
        """It has no registers."""
        raise ModbusError(ILLEGAL_ADDRESS)

    def reboot(self) -> None:
        """Contacts are what they are."""

    def near_wrap(self, margin_wh: float) -> None:
        """It counts nothing."""
