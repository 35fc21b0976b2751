"""Prices that are not there: the feed ends at midnight, is gone for a day, has a hole, or is gone at a restart."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from simulators.lab import DAY, Lab, Result, Script, Visit, play, steady
from simulators.lab.feed import Prices

at = DAY.at
HOUR = timedelta(hours=1)
NEXT = timedelta(days=1)


def midnight_after(now: datetime) -> datetime:
    return now.replace(hour=0, minute=0, second=0, microsecond=0) + NEXT


def day_ahead(now: datetime) -> datetime:
    """The end of today, from 13:00 on of tomorrow."""
    return midnight_after(now) + (NEXT if now.hour >= 13 else timedelta(0))


def peaks(moment: datetime) -> tuple[float, float]:
    """18 ct at night, 27 by day, 45 from 18 to 21 o'clock; export 7.5."""
    hour = moment.hour
    return (0.45 if 18 <= hour < 21 else 0.18 if hour < 6 else 0.27), 0.075


def dear_night(moment: datetime) -> tuple[float, float]:
    """9 ct from 20 o'clock to midnight, else 27; export 7.5."""
    return (0.09 if moment.hour >= 20 else 0.27), 0.075


def home(prices: Prices, script: Script, hours: float = 24, **more: object) -> Lab:
    settings = {
        "site": {"time_zone": "UTC", "reserve_pct": 20},
        "control": {"period_s": 60},
        "tariff": {"currency": "USD", "import_price": {"kind": "published"}, "export_price": {"kind": "published"}},
        "car": {"energy_wh": 20_000, "departure": "07:00"},
    }  # fmt: skip
    return Lab(at("00:00") + 12 * HOUR, hours, script, prices=prices, settings=settings, past_days=7, plan_minutes=30, **more)  # type: ignore[arg-type]  # fmt: skip


QUIET = Script(load_w=steady(600))


async def test_a_car_charges_while_it_is_known_to_be_cheap(tmp_path: Path) -> None:
    """Seen: it waited for '7.5 ct', which is what export earns, and paid 27: 7.35 against 3.49."""
    visits = (Visit(at("18:00"), at("07:00") + NEXT, stored_wh=10_000),)
    prices = Prices(dear_night, known_until=midnight_after)
    result = await play(home(prices, Script(load_w=steady(0), visits=visits), 20), tmp_path)
    assert result.car_wh() == pytest.approx(20_000, rel=0.05)
    after = result.between(at("00:00") + NEXT, at("07:00") + NEXT)
    assert after.car_wh() < 2_000, "27 ct, and it was no secret"
    assert any("is not published: planned by" in line for line in result.plans[-1].assumed)


async def test_a_day_without_the_feed_keeps_the_battery_for_the_peak(tmp_path: Path) -> None:
    """Seen: a feed outage emptied the battery before the peak."""
    gone = (at("12:30"), at("12:30") + NEXT)
    known = await play(home(Prices(peaks, day_ahead), QUIET, 36), tmp_path / "known")
    blind = await play(home(Prices(peaks, day_ahead, down=(gone,)), QUIET, 36), tmp_path / "blind")

    def at_peak(result: Result, day: timedelta) -> float:
        return result.between(at("18:00") + day, at("21:00") + day).wh("grid_import")

    for day in (timedelta(0), NEXT):
        assert at_peak(blind, day) <= at_peak(known, day) + 300
    alone = await play(replace(home(Prices(peaks), QUIET, 36), agent=False), tmp_path / "alone")
    assert known.cost < blind.cost < alone.cost
    outage = blind.between(at("00:00") + NEXT, at("12:00") + NEXT)
    assert outage.wh("charge") < 50, "nothing is bought for a price that nobody has published"
    assert known.between(at("00:00") + NEXT, at("12:00") + NEXT).wh("charge") > 1_000


async def test_a_restart_without_the_feed_knows_the_days_before(tmp_path: Path) -> None:
    gone = (at("14:30"), at("12:00") + NEXT)
    off = ((at("14:40"), at("15:00")),)
    prices = Prices(peaks, day_ahead, down=(gone,))
    result = await play(home(prices, QUIET, 20, off=off), tmp_path)
    peak = result.between(at("18:00"), at("21:00"))
    assert peak.wh("grid_import") < 300, "the battery was kept for it"


async def test_a_hole_in_the_feed_is_no_free_energy(tmp_path: Path) -> None:
    hole = (at("18:00"), at("19:00"))

    def holed(moment: datetime) -> tuple[float | None, float | None]:
        return (None, None) if hole[0] <= moment < hole[1] else peaks(moment)

    result = await play(home(Prices(holed, day_ahead), QUIET, 12), tmp_path)
    inside = result.between(*hole)
    assert inside.wh("grid_import") < 150
    assert inside.wh("charge") < 50
    assert result.between(at("12:00"), at("18:00")).wh("discharge") < 2_500


async def test_cents_for_dollars_move_nothing(tmp_path: Path) -> None:
    """Seen: export 8.2 (ct) beside import 0.30 cycled 60 kWh a day through a 10 kWh battery."""
    lab = home(Prices(peaks), QUIET, 12)
    odd = {"currency": "USD", "import_price": {"kind": "flat", "per_kwh": "0.30"}, "export_price": {"kind": "flat", "per_kwh": "8.2"}}  # fmt: skip
    wrong = Lab(
        lab.start, 12, QUIET, settings={**lab.settings, "tariff": odd}, past_days=7, plan_minutes=30
    )
    result = await play(wrong, tmp_path)
    assert any("export_price: 8.2 USD a kWh" in line for line in result.log)
    assert result.wh("grid_export") < 100
    assert result.wh("charge") < 100
