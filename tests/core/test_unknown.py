"""What is not known never becomes a number: sums of the home, and the origin of stored energy."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from gateway.config.tariff import FlatNight, Tariff
from gateway.domain.intervals import quarter
from gateway.domain.plan import Observed
from gateway.domain.readings import DeviceState, Quality, Reading
from gateway.journal import Journal
from gateway.planner.tariff import TariffRules
from gateway.service.night import NightOrigin
from gateway.site.energy import QuarterFlow
from gateway.site.snapshot import join

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
