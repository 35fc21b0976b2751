"""Two steered chargers through the wire: both measured, the fuse for both together."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from zoneinfo import ZoneInfo

from gateway.control.decide import decide
from gateway.control.inputs import DecisionInputs
from gateway.domain.control import ControlSettings, Setpoints
from gateway.domain.order import StandingSettings
from gateway.domain.readings import Quality, Reading, Snapshot
from gateway.site.site import Site
from tests.devices.conftest import START, HandClock, Intents, impatient
from tests.modbus.server import RegisterServer, serving

CURRENT, ENABLE = 5004, 5014
NOW = StandingSettings(reserve_pct=20, charge_now=True)


def asked(seen: Snapshot, fuse_w: float) -> Setpoints:
    """What control asks of the chargers for cars that are to charge now."""
    control = ControlSettings(ZoneInfo("UTC"), import_limit_w=fuse_w)
    inputs = DecisionInputs(seen, NOW, None, None, control, START, 0.0)
    return decide(inputs).setpoints


def keba(plugged: bool) -> dict[int, int]:
    """The registers that the profile reads, each number in two of them."""
    words = dict.fromkeys((*range(1000, 1048), *range(1500, 1504), *range(1600, 1604)), 0)
    words |= dict.fromkeys(range(5000, 5022), 0)
    return words | {1001: 3 if plugged else 1, 1005: 7 if plugged else 1}


async def test_two_wall_boxes_share_the_fuse_through_the_wire(
    clock: HandClock, intents: Intents
) -> None:
    boxes = [keba(True), keba(True)]
    servers = [RegisterServer({255: words}) for words in boxes]
    async with serving(servers[0]), serving(servers[1]):
        devices = [
            impatient(server, "keba-p30", clock, intents, name)
            for server, name in zip(servers, ("left", "right"), strict=True)
        ]
        site = Site(devices, clock, period_s=2)
        async with asyncio.TaskGroup() as group:
            site._group = group
            for box in devices:
                await site._poll(box)
            for plugged, left, right in (((True, True), 10, 10), ((True, False), 16, 0)):
                for words, there in zip(boxes, plugged, strict=True):
                    words |= {1001: 3 if there else 1, 1005: 7 if there else 1}
                for box in devices:
                    await site._poll(box)
                seen = replace(site.observe(), grid_w=0.0)
                assert seen.charger_w == 0
                await site.apply(asked(seen, 3 * 230 * 20.0))  # 20 A in all
                clock.seconds += 2
                assert [_amperes(words) for words in boxes] == [left, right]
        for box in devices:
            assert (await box.release()).neutral
            await box.close()


async def test_a_charger_that_is_only_read_is_load_to_the_other(
    clock: HandClock, intents: Intents
) -> None:
    """It does not give way: what it draws is no room for the other one."""
    boxes = [keba(True), keba(True)]
    servers = [RegisterServer({255: words}) for words in boxes]
    async with serving(servers[0]), serving(servers[1]):
        left, right = (
            impatient(server, "keba-p30", clock, store, name)
            for server, name, store in zip(servers, ("left", "right"), (intents, None), strict=True)
        )
        site = Site([left, right], clock, period_s=2)
        async with asyncio.TaskGroup() as group:
            site._group = group
            for box in (left, right):
                await site._poll(box)
        seen = site.observe()
        drawn = Reading("charger_power_w", 11_000.0, Quality.GOOD, START)
        busy = seen.devices["right"]
        site._states["right"] = replace(busy, readings={**busy.readings, "charger_power_w": drawn})
        seen = replace(site.observe(), grid_w=12_000.0)
        assert [c.steerable for c in seen.chargers] == [True, False]
        assert asked(seen, 17_000.0).chargers_a == {"left": 7}  # 5 kW are left
        for box in (left, right):
            await box.close()


def _amperes(words: dict[int, int]) -> float:
    """KEBA's numbers are written to their first register."""
    return words[CURRENT] / 1000 if words[ENABLE] else 0.0
