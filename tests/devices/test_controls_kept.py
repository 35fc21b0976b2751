"""A control that is held stays in sight, whatever registers a device refuses for a while."""

from __future__ import annotations

from gateway.domain.control import Control
from tests.devices.conftest import HandClock, Intents, impatient
from tests.devices.vendor_images import growatt
from tests.modbus.server import RegisterServer, serving

BATTERY = Control.BATTERY_POWER
AUTHORITY, REMOTE, PERCENT, GRID_CHARGE = 30100, 30407, 30409, 30410


def vpp() -> dict[int, int]:
    """A Growatt's holding registers with those of newer firmware, of 10 kW."""
    more = {30026: 1, 30027: 0x86A0, AUTHORITY: 0, REMOTE: 0, 30408: 0, PERCENT: 0, GRID_CHARGE: 0}
    return dict(growatt().holding) | more


async def test_a_growatt_without_the_grid_charge_register_is_steered_and_let_go(
    clock: HandClock, intents: Intents
) -> None:
    words = vpp()
    del words[GRID_CHARGE]
    async with serving(RegisterServer({1: words}, input={1: dict(growatt().input)})) as server:
        one = impatient(server, "growatt-sph", clock, intents)
        report = await one.release()  # else it would never be read
        assert report.neutral, report
        await one.hold(BATTERY, -2_000)
        assert (words[AUTHORITY], words[REMOTE], words[PERCENT]) == (1, 1, 20)
        report = await one.release()
        assert report.neutral, report
        assert (words[AUTHORITY], words[REMOTE], words[PERCENT]) == (0, 0, 0)
        await one.close()


async def test_a_battery_that_was_left_forced_is_freed_after_a_refusal_at_the_start(
    clock: HandClock, intents: Intents
) -> None:
    words = vpp()
    async with serving(RegisterServer({1: words}, input={1: dict(growatt().input)})) as server:
        before = impatient(server, "growatt-sph", clock, intents)
        await before.hold(BATTERY, 2_000)
        await before.close()  # killed
        hidden = {a: words.pop(a) for a in (REMOTE, 30408, PERCENT, GRID_CHARGE)}
        one = impatient(server, "growatt-sph", clock, intents)
        assert not (await one.release()).neutral
        words |= hidden
        assert (await one.release()).neutral
        assert (words[AUTHORITY], words[REMOTE]) == (0, 0)
        await one.close()


async def test_a_held_control_outlives_a_binding_in_which_its_registers_are_refused(
    clock: HandClock, intents: Intents
) -> None:
    words = vpp()
    async with serving(RegisterServer({1: words}, input={1: dict(growatt().input)})) as server:
        one = impatient(server, "growatt-sph", clock, intents)
        await one.hold(BATTERY, 2_000)
        one._poller = None  # away for more than a minute: bound anew
        hidden = {a: words.pop(a) for a in (REMOTE, 30408, PERCENT, GRID_CHARGE)}
        await one.poll()
        words |= hidden
        assert (await one.release()).neutral
        assert (words[AUTHORITY], words[REMOTE]) == (0, 0)
        await one.close()
