"""Contacts behind Modbus: a ripple-control receiver, a control box's relays, any input module.

Which coil or discrete input means what stands in the configuration ([[device.input]]): `with_inputs` makes
the sheet of one device from it. Function 1 reads coils, function 2 discrete inputs (Modbus Application
Protocol V1.1b3, 6.1 and 6.2). Nothing is ever written.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gateway.devices.datasheet import Communication, Profile, Source
from gateway.devices.readout import Output
from gateway.domain.grid_operator import NO_SIGNAL, SIGNAL, RelayInput
from gateway.modbus.registers import Field, Missing, Value

PROFILE = Profile(
    key="relay",
    title="Relay or ripple-control receiver",
    kind="relay",
    verified="data sheet",
    communication=Communication(unit=1, max_gap=8),
    source=Source(outputs=()),
)


def with_inputs(inputs: Sequence[RelayInput]) -> Profile:
    """The sheet of a device with these contacts: one reading, the numbers of those that are active."""

    def active(*values: Value) -> Value:
        if any(isinstance(v, Missing) for v in values):
            return Missing.BAD
        pairs = zip(inputs, values, strict=True)
        on = [n for n, (i, v) in enumerate(pairs, start=1) if bool(v) == i.active]
        return ",".join(map(str, on)) or NO_SIGNAL

    fields = tuple(Field(i.address, "u16", i.table, plain=True) for i in inputs)
    return replace(PROFILE, source=Source(outputs=(Output(SIGNAL, fields, active),)))
