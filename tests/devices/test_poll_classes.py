"""How often a device is asked: a wall box at rest is spared, and nothing is seen later for it."""

from __future__ import annotations

from gateway.devices.device import ModbusDevice
from tests.devices.conftest import HandClock, Intents, impatient, values
from tests.modbus.server import RegisterServer, serving

STATE, CABLE, POWER, ENERGY, SESSION = 1000, 1004, 1020, 1036, 1502
NAMES = {
    1014,
    1016,
    1018,
    1550,
}  # who it is, its firmware, who switches its phases: asked with what hardly changes
NO_CAR, WAITING, CHARGES, FAULT = 1, 2, 3, 4


def box() -> dict[int, int]:
    return {a + i: 0 for a in (STATE, CABLE, POWER, ENERGY, SESSION, 1600, 1602) for i in (0, 1)}


async def asked(server: RegisterServer, device: ModbusDevice) -> tuple[set[int], dict[str, object]]:
    """The registers that one poll asks for, and what it gives."""
    server.reads.clear()
    got = values(await device.poll())
    return {address for _, _, address, _ in server.reads}, dict(got)


async def test_what_stands_still_without_a_charging_car_is_read_once_a_minute(
    clock: HandClock, intents: Intents
) -> None:
    registers = box()
    registers |= {STATE + 1: NO_CAR, CABLE + 1: 1, ENERGY + 1: 500}
    async with serving(RegisterServer({255: registers})) as server:
        one = impatient(server, "keba-p30", clock, intents)
        assert (await asked(server, one))[0] - NAMES == {STATE, CABLE, POWER, ENERGY, SESSION}
        clock.seconds += 10
        places, got = await asked(server, one)
        assert places == {STATE, CABLE}
        assert got["charger_power_w"] == 0, "what stands still is told all the same"

        clock.seconds += 10
        registers |= {STATE + 1: WAITING, CABLE + 1: 7}  # a car is plugged in
        places, got = await asked(server, one)
        assert got["charger_state"] == "plugged"
        assert places == {STATE, CABLE, POWER, SESSION}, "the session of another car has ended"

        clock.seconds += 10
        registers |= {STATE + 1: CHARGES, POWER: 100, SESSION + 1: 30}
        for _ in range(3):
            places, got = await asked(server, one)
            assert places == {STATE, CABLE, POWER, SESSION}
            assert (got["charger_power_w"], got["charger_session_wh"]) == (6553.6, 3)
            clock.seconds += 5

        registers |= {STATE + 1: WAITING, POWER: 0}  # it ends: its last power must not stand
        assert (await asked(server, one))[1]["charger_power_w"] == 0
        clock.seconds += 10
        assert (await asked(server, one))[0] == {STATE, CABLE}

        clock.seconds += 10  # a minute after the first poll
        assert (await asked(server, one))[0] - NAMES == {STATE, CABLE, POWER, ENERGY, SESSION}
        registers |= {STATE + 1: FAULT}  # of a box that is not well nothing is taken for granted
        for _ in range(2):
            assert (await asked(server, one))[0] == {STATE, CABLE, POWER, SESSION}
        await one.close()
