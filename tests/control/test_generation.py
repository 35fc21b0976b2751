"""What inverters may feed in at most: prices below 0, limits, several of them, and what a register limits."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.domain.order import Order
from gateway.domain.readings import InverterState, Snapshot
from tests.control.homes import CONTROL, NONE, SETTINGS, ask, battery, home, order, snapshot

PV_ONLY = snapshot(pv=6_000, grid=-5_400, batteries=())


@pytest.mark.parametrize(
    ("case", "seen", "asked", "limit_w"),
    [
        ("far from the limit: none", home(pv=3_000, grid=-2_500), NONE, None),
        ("near the export limit", home(pv=6_000, grid=-5_400), NONE, 5_600),
        ("negative price: only what the home uses", home(pv=3_000, grid=-2_500), order(export_price=-5.0), 500),
        ("also where buying has no known price", home(pv=3_000, grid=-2_500), order(export_price=-5.0, import_price=None), 500),
        ("negative price but sold: deliver", home(pv=3_000, grid=-2_500), order(export_price=-5.0, position_wh=300), None),
        ("load unknown: held to the export limit", home(pv=None), NONE, 5_000),
        ("load unknown: no price is followed blindly", home(pv=None), order(export_price=-5.0), 5_000),
        ("no battery: the export limit holds all the same", PV_ONLY, NONE, 5_600),
        ("nor an order", PV_ONLY, None, 5_600),
    ],
)  # fmt: skip
def test_generation_limit(
    case: str, seen: Snapshot, asked: Order | None, limit_w: int | None
) -> None:
    assert ask(seen, asked).pv_limit_w == limit_w, case
    assert ask(seen, asked, keeps_export=True).pv_limit_w is None, case


def hybrid(pv: float, power: float, load: float, soc: float = 60.0) -> Snapshot:
    """Panels and battery behind one inverter, without losses."""
    one = InverterState("hybrid", pv, pv + power, tells_ac=True)
    own = (battery("hybrid", power, soc),)
    return snapshot(load - pv - power, pv, own, inverters=(one,))


NOTHING = replace(CONTROL, export_limit_w=0.0)


@pytest.mark.parametrize(
    ("case", "seen", "limits_w"),
    [
        ("what the battery takes behind the inverter is no room", hybrid(9_000, -5_000, 500), {"hybrid": 500}),
        ("at night the battery follows the load by itself", hybrid(0, 500, 500), {}),
        ("a battery with an inverter of its own takes from the house", snapshot(-3_500, 9_000, (battery(power_w=-5_000),)), {"roof": 5_500}),
        ("and feeds into it", snapshot(-2_000, 2_500, (battery(power_w=1_500),)), {"roof": 500}),
    ],
)  # fmt: skip
def test_generation_is_limited_by_what_the_register_limits(
    case: str, seen: Snapshot, limits_w: dict[str, int]
) -> None:
    """A home without feed-in exported 3.4 kW while its battery charged."""
    assert ask(seen, None, control=NOTHING).pv_limits_w == limits_w, case


def test_several_inverters_share_the_limit_by_what_they_give() -> None:
    def seen(east_w: float, west_w: float, load_w: float) -> Snapshot:
        inverters = tuple(
            InverterState(name, w, w, tells_ac=True)
            for name, w in (("east", east_w), ("west", west_w))
        )
        return snapshot(load_w - east_w - west_w, east_w + west_w, (), inverters=inverters)

    out = ask(seen(6_000, 2_000, 1_000), None)
    assert out.pv_limits_w == {"east": 4_500, "west": 1_500}
    # The west's sun goes: the east gets a part of what it leaves, and the west may come back.
    out = ask(seen(4_500, 500, 1_000), None)
    assert out.pv_limits_w == {"east": 5_000, "west": 1_000}
    fixed = InverterState("fixed", 2_000, 2_000, tells_ac=True, limitable=False)
    east = InverterState("east", 6_000, 6_000, tells_ac=True)
    mixed = snapshot(-7_000, 8_000, (), inverters=(east, fixed))
    assert ask(mixed, None).pv_limits_w == {"east": 4_000}, "what cannot be limited goes first"
    none = snapshot(-7_000, 8_000, (), inverters=(fixed,))
    assert ask(none, None).pv_limits_w == {}


def test_the_devices_own_export_limit() -> None:
    assert ask(home(), None).export_limit_w == 5_000
    assert ask(home(), order(export_price=-5.0)).export_limit_w == 0
    assert ask(home(), order(export_price=-5.0, position_wh=10)).export_limit_w == 5_000
    held = replace(SETTINGS, battery="hold")
    assert ask(home(), order(export_price=-5.0, position_wh=10), settings=held).export_limit_w == 0


# -- several batteries --
