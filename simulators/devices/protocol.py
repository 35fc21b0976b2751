"""Modbus requests and their answers, whatever the framing: function codes, exceptions, units."""

from __future__ import annotations

import struct
from typing import Protocol, runtime_checkable

from simulators.devices.view import View

HOLDING, INPUT = 3, 4  # function codes of the two register tables
COILS, DISCRETE = 1, 2  # and of the two tables of bits

ILLEGAL_FUNCTION, ILLEGAL_ADDRESS, ILLEGAL_VALUE, DEVICE_FAILURE = 1, 2, 3, 4
NO_SUCH_UNIT = 11  # gateway target device failed to respond

_MAX_READ, _MAX_WRITE, _MAX_BITS = 125, 123, 2000


class ModbusError(Exception):
    """A device refuses a request; ``code`` is the Modbus exception code."""

    def __init__(self, code: int) -> None:
        super().__init__(f"Modbus exception {code}")
        self.code = code


class Unit(Protocol):
    """The registers behind one unit id."""

    view: View

    def reboot(self) -> None:
        """Lose what is volatile."""

    def near_wrap(self, margin_wh: float) -> None:
        """Let the counters stand ``margin_wh`` before they wrap."""

    def read(self, table: int, address: int, count: int) -> bytes:
        """``count`` registers of ``table`` (`HOLDING` or `INPUT`), big-endian; may raise ModbusError."""

    def write(self, address: int, values: tuple[int, ...], function: int) -> None:
        """Write holding registers by ``function`` 6 or 16; may raise ModbusError."""


@runtime_checkable
class HasBits(Protocol):
    """A unit with contacts."""

    def bits(self, table: int, address: int, count: int) -> list[bool]:
        """``count`` bits of ``table`` (`COILS` or `DISCRETE`); may raise ModbusError."""


def answer(unit: Unit | None, pdu: bytes) -> bytes:
    """The reply PDU to a request PDU."""
    function = pdu[0] if pdu else 0
    try:
        if unit is None:
            raise ModbusError(NO_SUCH_UNIT)
        if function in (HOLDING, INPUT):
            return _read(unit, function, pdu)
        if function in (COILS, DISCRETE) and isinstance(unit, HasBits):
            return _read_bits(unit, function, pdu)
        if function == 6:
            return _write_one(unit, pdu)
        if function == 16:
            return _write_many(unit, pdu)
        raise ModbusError(ILLEGAL_FUNCTION)
    except ModbusError as refusal:
        return bytes((function | 0x80, refusal.code))


def _read(unit: Unit, function: int, pdu: bytes) -> bytes:
    if len(pdu) != 5:
        raise ModbusError(ILLEGAL_VALUE)
    address, count = struct.unpack_from(">HH", pdu, 1)
    if not 1 <= count <= _MAX_READ:
        raise ModbusError(ILLEGAL_VALUE)
    if address + count > 0x10000:
        raise ModbusError(ILLEGAL_ADDRESS)
    data = unit.read(function, address, count)
    return bytes((function, len(data))) + data


def _read_bits(unit: HasBits, function: int, pdu: bytes) -> bytes:
    if len(pdu) != 5:
        raise ModbusError(ILLEGAL_VALUE)
    address, count = struct.unpack_from(">HH", pdu, 1)
    if not 1 <= count <= _MAX_BITS:
        raise ModbusError(ILLEGAL_VALUE)
    data = bytearray((count + 7) // 8)
    for i, bit in enumerate(unit.bits(function, address, count)):
        data[i // 8] |= bit << i % 8
    return bytes((function, len(data))) + bytes(data)


def _write_one(unit: Unit, pdu: bytes) -> bytes:
    if len(pdu) != 5:
        raise ModbusError(ILLEGAL_VALUE)
    address, value = struct.unpack_from(">HH", pdu, 1)
    unit.write(address, (value,), 6)
    return pdu


def _write_many(unit: Unit, pdu: bytes) -> bytes:
    if len(pdu) < 6:
        raise ModbusError(ILLEGAL_VALUE)
    address, count, size = struct.unpack_from(">HHB", pdu, 1)
    if not 1 <= count <= _MAX_WRITE or size != 2 * count or len(pdu) != 6 + size:
        raise ModbusError(ILLEGAL_VALUE)
    if address + count > 0x10000:
        raise ModbusError(ILLEGAL_ADDRESS)
    unit.write(address, struct.unpack_from(f">{count}H", pdu, 6), 16)
    return pdu[:5]
