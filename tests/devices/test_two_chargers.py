"""Two steered chargers: both measured, the wish for each car, the fuse for both together."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import time
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.agent.car import car_need, charger_spec, sessions_wh, shares_a
from gateway.agent.user_settings import configured
from gateway.config.settings import Car, Settings
from gateway.control import Wish, decide
from gateway.domain.control import Commitment, Limits
from gateway.domain.readings import DeviceState, Quality, Reading, Snapshot
from gateway.site.site import Site
from tests.devices.conftest import START, HandClock, Intents, impatient
from tests.modbus.server import RegisterServer, serving

CAR = Car()  # 6 to 16 A on three phases
WISHES = replace(
    configured(
        Settings.model_validate({"device": [{"name": "x", "host": "x"}], "state_dir": Path("s")})
    ),
    departure_time=time(7),
    departure_energy_wh=10_000,
)
CURRENT, ENABLE = 5004, 5014


def charger(name: str, state: str, got_wh: float | None) -> DeviceState:
    readings = {"charger_state": Reading("charger_state", state, Quality.GOOD, START)}
    if got_wh is not None:
        one = Reading("charger_session_wh", got_wh, Quality.GOOD, START)
        readings["charger_session_wh"] = one
    return DeviceState(name, online=True, readings=readings)


def home(*chargers: DeviceState, grid_w: float = 0.0, charger_w: float = 0.0) -> Snapshot:
    return Snapshot(
        START, {c.name: c for c in chargers}, 0.0, None, None, grid_w, 0.0, charger_w,
        any(c.text("charger_state") != "idle" for c in chargers), 0.0, 0.0, 0.0,
    )  # fmt: skip


LEFT, RIGHT = charger("left", "charging", 2_000), charger("right", "plugged", 7_000)
GONE, FULL = charger("right", "idle", None), charger("right", "plugged", 10_000)


@pytest.mark.parametrize(
    ("case", "chargers", "total_a", "shares"),
    [
        ("alike, the odd ampere to the first", (LEFT, RIGHT), 21, {"left": 11, "right": 10}),
        ("the most of each", (LEFT, RIGHT), 32, {"left": 16, "right": 16}),
        ("not enough for both: the first", (LEFT, RIGHT), 11, {"left": 11, "right": 0}),
        ("nothing for anybody", (LEFT, RIGHT), 0, {"left": 0, "right": 0}),
        ("nobody stands at the right one", (LEFT, GONE), 16, {"left": 16, "right": 0}),
        ("the right one has its wish", (LEFT, FULL), 16, {"left": 16, "right": 0}),
        ("no wish at all: both are let go", (LEFT, RIGHT), None, {}),
        ("one charger is steered as ever", (LEFT,), 16, {}),
    ],
)
def test_shares(
    case: str, chargers: tuple[DeviceState, ...], total_a: float | None, shares: dict[str, float]
) -> None:
    assert dict(shares_a(total_a, CAR, WISHES, home(*chargers))) == shares, case


def test_charge_now_is_for_every_car() -> None:
    now = replace(WISHES, charge_now=True)
    assert dict(shares_a(32, CAR, now, home(LEFT, FULL))) == {"left": 16, "right": 16}


def test_the_need_is_that_of_both_cars() -> None:
    need = car_need(CAR, WISHES, home(LEFT, RIGHT), ZoneInfo("UTC"))
    assert need is not None
    assert need.energy_wh == 8_000 + 3_000
    assert need.max_power_w == 2 * 16 * 3 * 230
    assert need.min_power_w == 6 * 3 * 230
    alone = car_need(CAR, WISHES, home(LEFT, FULL), ZoneInfo("UTC"))
    assert alone is not None
    assert (alone.energy_wh, alone.max_power_w) == (8_000, 16 * 3 * 230)


@given(
    total=st.floats(0, 64),
    states=st.lists(st.sampled_from(["idle", "plugged", "charging"]), min_size=2, max_size=4),
    got=st.lists(st.floats(0, 20_000), min_size=4, max_size=4),
)
def test_shares_are_whole_legal_currents_within_the_total(
    total: float, states: list[str], got: list[float]
) -> None:
    chargers = [charger(str(i), s, got[i]) for i, s in enumerate(states)]
    parts = dict(shares_a(total, CAR, WISHES, home(*chargers)))
    assert set(parts) == {c.name for c in chargers}
    assert sum(parts.values()) <= total
    assert all(a == 0 or (a == int(a) and 6 <= a <= 16) for a in parts.values())


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
        fuse = Limits(3 * 230 * 20.0, None, 20, None, None)  # 20 A in all
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
                spec = charger_spec(CAR, len(sessions_wh(seen)))
                wish = Wish(car_w=spec.power_w)
                asked = decide(seen, Commitment(0, None, 900), wish, fuse, spec)
                shares = shares_a(asked.charge_current_a, CAR, WISHES, seen)
                await site.apply(replace(asked, charge_shares_a=shares))
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
        seen = site.steered(replace(site.observe(), grid_w=12_000.0))
        assert (seen.charger_w, list(sessions_wh(seen)), seen.car_plugged) == (0, ["left"], True)
        spec = charger_spec(CAR, len(sessions_wh(seen)))
        fuse = Limits(17_000.0, None, 20, None, None)
        asked = decide(seen, Commitment(0, None, 900), Wish(car_w=spec.power_w), fuse, spec)
        assert asked.charge_current_a == 7  # 5 kW are left
        assert shares_a(asked.charge_current_a, CAR, WISHES, seen) == ()
        for box in (left, right):
            await box.close()


def _amperes(words: dict[int, int]) -> float:
    """KEBA's numbers are written to their first register."""
    return words[CURRENT] / 1000 if words[ENABLE] else 0.0
