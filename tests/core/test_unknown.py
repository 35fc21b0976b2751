"""What is not known never becomes a number: sums of the home, and the origin of stored energy."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from gateway.agent.night import NightOrigin
from gateway.config.tariff import FlatNight, Tariff
from gateway.domain.intervals import quarter
from gateway.domain.plan import Observed
from gateway.domain.readings import DeviceState, Quality, Reading
from gateway.metering.energy import QuarterFlow
from gateway.site.snapshot import join
from gateway.store.journal import Journal
from gateway.sun import is_dark
from gateway.tariff import TariffRules

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


def state(name: str, quality: Quality = Quality.GOOD, **values: float) -> DeviceState:
    readings = {m: Reading(m, v, quality, NOW) for m, v in values.items()}
    return DeviceState(name, online=True, readings=readings)


def test_a_silent_battery_makes_the_load_unknown_and_no_battery_does_not() -> None:
    parts = {"pv": state("pv", pv_power_w=3_000), "meter": state("meter", grid_power_w=-1_000)}
    assert join(NOW, parts).load_w == 2_000
    silent = state("battery", Quality.STALE, battery_power_w=1_500)
    assert join(NOW, parts | {"battery": silent}).load_w is None
    good = state("battery", battery_power_w=1_500)
    assert join(NOW, parts | {"battery": good}).load_w == 3_500


def test_a_sleeping_inverter_gives_nothing_while_the_sun_is_down_and_else_is_unknown() -> None:
    asleep = replace(state("pv", Quality.STALE, pv_power_w=20, ac_power_w=18), asleep=True)
    parts = {"pv": asleep, "meter": state("meter", grid_power_w=400)}
    night, day = join(NOW, parts, dark=True), join(NOW, parts)
    assert (night.pv_w, night.load_w) == (0, 400)
    assert (day.pv_w, day.load_w) == (None, None)
    assert night.devices["pv"] == asleep  # what the device said is not touched
    hybrid = replace(state("pv", Quality.STALE, pv_power_w=20, battery_power_w=300), asleep=True)
    unknown = join(NOW, parts | {"pv": hybrid}, dark=True)
    assert (unknown.pv_w, unknown.battery_w, unknown.load_w) == (None, None, None)
    lost = {"pv": replace(asleep, asleep=False), "meter": parts["meter"]}
    assert join(NOW, lost, dark=True).pv_w is None


def test_it_is_dark_only_where_the_place_is_known_and_the_sun_is_down() -> None:
    berlin = (52.5, 13.4)
    midnight, noon = datetime(2026, 6, 1, 23, tzinfo=UTC), datetime(2026, 6, 1, 11, tzinfo=UTC)
    assert is_dark(berlin, midnight)
    assert not is_dark(berlin, noon)
    assert not is_dark(None, midnight)
    assert not is_dark((70.0, 25.0), midnight)  # the midnight sun


def test_energy_of_unknown_origin_is_not_sold_after_a_start_without_a_state_of_charge(
    tmp_path: Path,
) -> None:
    journal = Journal(tmp_path / "journal.sqlite")
    origin = NightOrigin(journal, TariffRules(Tariff(flat_night=FlatNight()), ZoneInfo("UTC")))
    assert origin.resellable_wh(9_000) == 0
    quiet = QuarterFlow(Observed(quarter(NOW), 100, 0), 0, 0)
    origin.follow(quiet, None)  # the battery has not answered yet
    assert origin.resellable_wh(9_000) == 0
    journal.close()
