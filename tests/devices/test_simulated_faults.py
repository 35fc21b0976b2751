"""The simulators' own faults against our connection and decoding: nothing wrong is ever read.

Faults that end in a timeout are in `tests/modbus`; here are those that answer, and answer wrong.
"""

from __future__ import annotations

from datetime import datetime

import pytest

from gateway.devices.catalogue import profile
from gateway.devices.device import ModbusDevice
from gateway.errors import DeviceError
from gateway.modbus.address import BusAddress, BusTiming, Framing
from gateway.modbus.connection import Connection
from simulators.devices.faults import Faults, Kind, parse_fault
from simulators.devices.serve import Choice, serve_home
from simulators.physics.home import Home
from simulators.scenario import Scenario
from tests.devices.conftest import START, HandClock, Intents, values

KINDS = (
    Kind.SHORT,
    Kind.DUPLICATE,
    Kind.GARBAGE,
    Kind.WRONG_UNIT,
    Kind.WRONG_TRANSACTION,
    Kind.WRONG_FUNCTION,
    Kind.BYTE_COUNT,
    Kind.CLOSE,
    Kind.RESET,
    Kind.EXCEPTION,
    Kind.NAN,
    Kind.ZERO,
    Kind.SCALE,
)
FAMILIES = {
    "fronius": "fronius-gen24",
    "fronius-float": "fronius-gen24",
    "sunspec-der": "sunspec-hybrid",
    "solaredge": "solaredge-storedge",
    "sungrow": "sungrow-sh",
    "goodwe": "goodwe-et",
    "huawei": "huawei-sun2000",
}


class Standing:
    """The simulated home's clock: it stands, so that every right reading is the same."""

    def now(self) -> datetime:
        return START


@pytest.mark.parametrize("framing", ["tcp", "rtu_over_tcp"])
@pytest.mark.parametrize("family", FAMILIES)
async def test_no_fault_of_a_simulated_device_gives_a_wrong_value(
    family: str, framing: Framing, intents: Intents
) -> None:
    truth: dict[str, float | str | None] = {}
    for kind in (None, *KINDS):
        home = Home(Standing(), Scenario(START, seed=1))
        faults = {}
        if kind is not None:
            _, fault = parse_fault(f"inverter:{kind.value},probability=0.4")
            faults = {"inverter": Faults((fault,), seed=5)}
        choice = Choice(inverter=family, rtu=framing != "tcp")
        servers = await serve_home(home, choice=choice, faults=faults)
        address = BusAddress(framing, host="127.0.0.1", port=servers.ports.inverter)
        clock, sheet = HandClock(), profile(FAMILIES[family])
        unit = Connection(address, BusTiming(timeout_s=0.4)).unit(sheet.communication.unit)
        one = ModbusDevice("device", sheet, unit, intents, clock)
        answered = 0
        for _ in range(1 if kind is None else 5):
            clock.seconds += 90
            try:
                got = values(await one.poll())
            except DeviceError:
                continue
            answered += 1
            truth = truth or got
            wrong = {m: v for m, v in got.items() if v is not None and v != truth[m]}
            assert not wrong, kind
        assert answered or kind is not None
        await one.close()
        await servers.close()
