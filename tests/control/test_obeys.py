"""What panels may count on from a battery of its own inverter: one that obeys, and no other."""

from __future__ import annotations

import pytest

from gateway.control.limits import Limits, pv_limits_w
from gateway.domain.control import Reason, Setpoints
from gateway.domain.readings import InverterState
from tests.control.homes import battery, snapshot

NOTHING_OUT = Limits(None, Reason.FUSE, export_limit_w=0.0, feed_in_w=0.0, reserve_pct=20.0)
LOAD_W, SUN_W = 1_000.0, 3_000.0
PANELS = InverterState("roof", SUN_W, SUN_W, tells_ac=True)


@pytest.mark.parametrize(
    ("case", "former_w", "power_w", "told_w", "limit_w"),
    [
        ("it takes what it was told, and will take less", -2_000, -2_000, -1_000, 2_000),
        ("... and more", -2_000, -2_000, -3_000, 4_000),
        ("... and gives", -2_000, -2_000, 500, 500),
        ("a tenth beside it is obeyed: what it lacks is measured", -2_000, -1_801, -3_000, 3_801),
        ("more than a tenth is not", -2_000, -1_799, -3_000, 2_799),
        ("30 W beside a little is", -100, -71, -600, 1_571),
        ("... and beyond is not", -100, -69, -600, 1_069),
        ("a full one takes nothing, whatever it is told", -2_000, 0, -3_000, 1_000),
        ("... but what it will give counts", -2_000, 0, 500, 500),
        ("one that gives and will take", 700, 700, -300, 1_300),
        ("never told before: no room is counted on", None, 0, -600, 1_000),
        ("... what it will give is", None, 0, 400, 600),
        ("let go: as it is", -2_000, -2_000, None, 3_000),
    ],
)  # fmt: skip
def test_only_what_a_battery_that_obeys_will_take_is_room_for_the_sun(
    case: str, former_w: int | None, power_w: float, told_w: int | None, limit_w: int
) -> None:
    grid_w = LOAD_W - SUN_W - power_w
    seen = snapshot(grid_w, SUN_W, (battery("store", power_w),), inverters=(PANELS,))
    before = Setpoints(batteries_w={} if former_w is None else {"store": former_w})
    told = {} if told_w is None else {"store": told_w}
    assert pv_limits_w(seen, NOTHING_OUT, before, told, near=True) == {"roof": limit_w}, case


def test_a_battery_behind_the_same_inverter_is_no_room() -> None:
    """What is limited is that inverter's output: what its battery takes never reaches the home's wires."""
    hybrid = InverterState("roof", SUN_W, 1_000.0, tells_ac=True)
    seen = snapshot(0.0, SUN_W, (battery("roof", -2_000.0),), inverters=(hybrid,))
    before = Setpoints(batteries_w={"roof": -2_000})
    for told_w in (-3_000, -1_000, 0):
        assert pv_limits_w(seen, NOTHING_OUT, before, {"roof": told_w}, near=True) == {
            "roof": LOAD_W
        }
