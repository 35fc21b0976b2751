"""Several of everything: batteries, meters and inverters each with a name, and sums that can be trusted."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.config.load import load_settings
from gateway.config.settings import Settings
from gateway.control.batteries import combined, sized, stored_wh
from gateway.domain.control import BatteryAssumptions, Control
from gateway.domain.readings import BatteryState, DeviceState, Quality, Reading, Role, Snapshot
from gateway.errors import ConfigError
from gateway.site.roles import unclear
from gateway.site.snapshot import join

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


def device(name: str, **values: float | str | None) -> DeviceState:
    """A device; None is what it has, and does not tell at this moment."""
    readings = {
        m: Reading(m, v, Quality.BAD if v is None else Quality.GOOD, NOON)
        for m, v in values.items()
    }
    return DeviceState(name, online=True, readings=readings)


def home(*devices: DeviceState, **roles: Role) -> Snapshot:
    return join(NOON, {d.name: d for d in devices}, roles=roles)


def battery(name: str, soc: float | None, capacity_wh: float | None) -> BatteryState:
    return BatteryState(name, 0.0, soc, capacity_wh, 5_000, 5_000)


def test_stored_energy_is_the_sum_of_what_each_battery_holds() -> None:
    """5 kWh full beside 15 kWh at 20 % was planned as 12 kWh."""
    both = (battery("small", 100, 5_000), battery("large", 20, 15_000))
    assert stored_wh(both) == 8_000
    spec = combined(both, BatteryAssumptions(), reserve_pct=20)
    assert spec is not None
    assert (spec.capacity_wh, spec.reserve_wh, spec.max_charge_w) == (20_000, 4_000, 10_000)
    assert stored_wh((*both, battery("silent", None, 5_000))) is None


def test_the_state_of_charge_of_the_home_counts_by_capacity() -> None:
    small = device("small", battery_soc_pct=100.0, battery_capacity_wh=5_000.0)
    large = device("large", battery_soc_pct=20.0, battery_capacity_wh=15_000.0)
    assert home(small, large).battery_soc_pct == 40
    assert home(small, device("large", battery_soc_pct=20.0)).battery_soc_pct == 60
    assert home(small, device("large", battery_soc_pct=None)).battery_soc_pct is None


@pytest.mark.parametrize(
    ("case", "configured_wh", "stated_wh", "each_wh"),
    [
        ("as they state", None, (5_000, 15_000), [5_000, 15_000]),
        ("the configuration's is of both, shared as they state", 18_000, (5_000, 15_000), [4_500, 13_500]),
        ("alike where one states nothing", 18_000, (5_000, None), [9_000, 9_000]),
        ("not known is not known", None, (5_000, None), [5_000, None]),
        ("0 is not stated", None, (0, 15_000), [None, 15_000]),
    ],
)  # fmt: skip
def test_sizes(
    case: str,
    configured_wh: float | None,
    stated_wh: tuple[float | None, ...],
    each_wh: list[float | None],
) -> None:
    batteries = [battery(str(i), 50, wh) for i, wh in enumerate(stated_wh)]
    assumed = BatteryAssumptions(capacity_wh=configured_wh)
    found = sized(batteries, assumed)
    assert [b.capacity_wh for b in found] == each_wh, case
    assert (combined(found, assumed, 20) is None) is (None in each_wh), case


METER = device("meter", grid_power_w=-1_500.0, grid_import_wh=10.0, grid_export_wh=20.0)
HYBRID = device("hybrid", pv_power_w=3_000.0, ac_power_w=2_900.0, grid_power_w=-1_480.0)
PV = device("pv-meter", grid_power_w=-700.0)


def test_one_meter_is_the_grid() -> None:
    seen = home(METER)
    assert (seen.grid_w, seen.grid_export_wh) == (-1_500, 20)
    assert [m.role for m in seen.meters] == [Role.GRID]
    assert not unclear(seen)


@pytest.mark.parametrize("devices", [(METER, HYBRID), (HYBRID, METER)])
def test_of_two_meters_the_first_in_the_file_is_not_the_grid_by_accident(
    devices: tuple[DeviceState, ...],
) -> None:
    asked = home(*devices)
    assert (asked.grid_w, asked.load_w) == (None, None)
    assert 'write role = "grid"' in unclear(asked)
    told = home(*devices, meter=Role.GRID)
    assert (told.grid_w, told.load_w) == (-1_500, 1_400)
    assert not unclear(told)
    other = home(*devices, meter=Role.SUBMETER)
    assert other.grid_w == -1_480
    assert {m.name: m.role for m in other.meters} == {"meter": Role.SUBMETER, "hybrid": Role.GRID}


def test_a_meter_that_is_lost_does_not_make_another_the_grid() -> None:
    silent = device("meter", grid_power_w=None)
    assert home(silent, HYBRID).grid_w is None
    assert home(silent, HYBRID, meter=Role.GRID).grid_w is None


def test_a_meter_at_panels_counts_as_generation() -> None:
    seen = home(METER, PV, **{"pv-meter": Role.PV})
    assert (seen.pv_w, seen.grid_w) == (700, -1_500)
    with_hybrid = home(METER, PV, device("hybrid", pv_power_w=3_000.0, ac_power_w=2_900.0), **{"pv-meter": Role.PV})  # fmt: skip
    assert (with_hybrid.pv_w, with_hybrid.load_w) == (3_700, 2_100)


def test_a_meter_of_a_charger_tells_what_the_charger_does_not() -> None:
    meter = device("box-meter", grid_power_w=4_000.0)
    box = device("box", charger_state="charging")
    roles = {"box-meter": Role.CHARGER}
    assert home(METER, meter, box, **roles).charger_w == 4_000
    telling = device("box", charger_state="charging", charger_power_w=4_100.0)
    assert home(METER, meter, telling, **roles).charger_w == 4_100


def test_the_load_beside_an_inverter_that_does_not_tell_its_output() -> None:
    """Panels behind an inverter that tells, and a battery behind one that does not."""
    roof = device("roof", pv_power_w=3_000.0, ac_power_w=2_900.0)
    store = device("store", battery_power_w=1_000.0, battery_soc_pct=50.0)
    meter = device("meter", grid_power_w=-500.0)
    assert home(roof, store, meter).load_w == 3_400
    silent = device("store", battery_power_w=None, battery_soc_pct=50.0)
    assert home(roof, silent, meter).load_w is None


def test_what_cannot_be_steered_is_known_as_such() -> None:
    roof = device("roof", battery_power_w=0.0, battery_soc_pct=50.0, charger_state="idle")
    seen = join(NOON, {"roof": roof}, controls={"roof": {Control.BATTERY_POWER}})
    assert [b.steerable for b in seen.batteries] == [True]
    assert [c.steerable for c in seen.chargers] == [False]


def test_two_grids_are_refused_with_what_to_write(tmp_path: Path) -> None:
    path = tmp_path / "gateway.toml"
    one = '[[device]]\nname = "{}"\nhost = "x"\nrole = "grid"\n'
    path.write_text(one.format("a") + one.format("b"))
    with pytest.raises(ConfigError, match=r"a and b both have role = 'grid'.*'submeter'"):
        load_settings(path)


def test_roles_are_those_that_are_written() -> None:
    devices = [{"name": "a", "host": "x", "role": "submeter"}, {"name": "b", "host": "x"}]
    settings = Settings.model_validate({"device": devices, "state_dir": Path("s")})
    assert settings.for_guard().roles() == {"a": Role.SUBMETER}
