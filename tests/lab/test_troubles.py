"""What a lab's day can have of troubles: a second battery, silent devices, an agent that dies, outages, an exchange."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from simulators.lab import (
    DAY,
    Equipment,
    House,
    Lab,
    Said,
    Script,
    SensorFault,
    Visit,
    clear_day,
    play,
    steady,
)
from simulators.lab.exchange import ExchangeDay
from simulators.lab.site import INVERTER, METER, PHASE_2, STORE, Silence
from simulators.physics.storage import Storage

at = DAY.at
EVENING = {"control": {"period_s": 20}, "site": {"reserve_pct": 20}}


async def test_two_batteries_add_up(tmp_path: Path) -> None:
    """No Wh appears or vanishes; both serve the house, each above its reserve."""
    house = House(storage=Storage(5_000, 1_500, soc_pct=60))
    script = Script(load_w=steady(3_000))
    lab = Lab(at("18:00"), 5, script, house, soc_pct=60, settings=EVENING)
    result = await play(lab, tmp_path)
    first, last = result.samples[0], result.samples[-1]
    given = result.wh("grid_import") + result.wh("storage_out") - result.wh("storage_in")
    stored = 13_500 * (last.soc_pct - first.soc_pct) / 100
    used = result.wh("load") + result.wh("grid_export") + result.wh("losses")
    assert used + stored == pytest.approx(given, abs=1)
    assert result.wh("storage_out") > 1_000
    assert result.wh("discharge") > 1_000
    assert last.storage_pct is not None
    assert min(last.soc_pct, last.storage_pct) > 19


async def test_a_battery_that_does_not_answer_is_let_go(tmp_path: Path) -> None:
    """It follows its own meter meanwhile; the other is steered as before, and it is held again afterwards."""
    house = House(storage=Storage(5_000, 1_500, soc_pct=60))
    begin, end = at("19:00"), at("20:00")
    equipment = Equipment(silent=(Silence(STORE, begin, end),))
    hold = (Said(at("18:10"), "battery", "hold"),)
    lab = Lab(
        at("18:00"), 3, Script(load_w=steady(1_000)), house, equipment, soc_pct=60, settings=EVENING,
        commands=hold,
    )  # fmt: skip
    result = await play(lab, tmp_path)
    alone = result.between(begin + timedelta(minutes=1), end - timedelta(minutes=1))
    held = result.between(end + timedelta(minutes=2), at("21:00"))
    assert alone.wh("storage_out") > 700
    assert held.wh("storage_out") < 5
    assert held.wh("discharge") < 5


async def test_an_agent_that_dies_comes_back_to_its_settings(tmp_path: Path) -> None:
    """The guard keeps the hold while it is alone; no order holds any more after ten minutes."""
    gone = (at("18:30"), at("19:30"))
    lab = Lab(
        at("18:00"), 2, Script(load_w=steady(1_000)), settings=EVENING, agent_off=[gone],
        commands=(Said(at("18:10"), "battery", "hold"), Said(at("19:40"), "battery", "auto")),
    )  # fmt: skip
    result = await play(lab, tmp_path)
    assert [a.status for a in result.answers.values()] == ["ok", "ok"]  # type: ignore[attr-defined]
    assert not any(s.ordered for s in result.between(at("18:41"), at("19:29")).samples)
    assert result.between(at("18:12"), at("19:39")).wh("discharge") < 5
    assert result.between(at("19:42"), at("20:00")).wh("discharge") > 100


async def test_the_grid_is_away_for_a_while(tmp_path: Path) -> None:
    away = (at("18:30"), at("19:00"))
    script = Script(load_w=steady(800), visits=(Visit(at("18:00"), at("20:00")),))
    now = (Said(at("18:05"), "charge_now", True),)
    lab = Lab(at("18:00"), 1.5, script, settings=EVENING, soc_pct=60, outages=[away], commands=now)
    result = await play(lab, tmp_path)
    island = result.between(away[0] + timedelta(minutes=1), away[1])
    assert island.wh("grid_import") == 0
    assert island.wh("load") == pytest.approx(800 * 29 / 60, abs=20), "the house is lit"
    assert island.car_wh() < 100
    assert any("off_grid" in s.alarm_codes for s in island.samples)
    assert "off_grid" not in result.samples[-1].alarm_codes


async def test_a_counter_that_begins_at_0_again(tmp_path: Path) -> None:
    """A meter that restarts its counters, and one whose sign is turned: the truth goes on, and nothing dies of it."""
    script = Script(
        load_w=steady(2_000),
        sensors=(
            SensorFault("grid", "restarted", at("18:20"), at("21:00")),
            SensorFault("grid", "turned", at("19:00"), at("19:30")),
        ),
    )
    result = await play(Lab(at("18:00"), 2, script, settings=EVENING, soc_pct=25), tmp_path)
    assert not [line for line in result.log if "ERROR" in line]
    assert result.wh("load") == pytest.approx(4_000, abs=20)


async def test_phases_of_an_uneven_home(tmp_path: Path) -> None:
    """What the phases draw is the grid's power; without one of them the fuse is held by the worst case."""
    settings = {"control": {"period_s": 20}, "site": {"fuse_a": 20}}
    missing = Silence(PHASE_2, at("19:00"), at("20:00"))
    lab = Lab(
        at("18:00"), 2, Script(load_w=steady(3_000), visits=(Visit(at("18:00"), at("21:00")),)),
        equipment=Equipment(battery=False, tells_phases=True, silent=(missing,)),
        house=House(), settings=settings, load_shares=(0.8, 0.2, 0.0),
        commands=(Said(at("18:05"), "charge_now", True),),
    )  # fmt: skip
    result = await play(lab, tmp_path)
    for sample in result.samples:
        assert sum(sample.phases_w) == pytest.approx(sample.powers.grid, abs=1)
    late = result.between(at("18:15"), at("20:00"))
    assert max(max(s.phases_w) for s in late.samples) < 20 * 230 + 100
    assert result.car_wh() > 1_000


async def test_an_exchange_that_is_away_for_an_hour(tmp_path: Path) -> None:
    """It is traded before and after; both accounts say the same, and all parties' sums are 0."""
    down = (at("12:00"), at("13:00"))
    lab = Lab(
        at("10:00"), 5, Script(sun_w=clear_day(8_000), load_w=steady(500)),
        exchange=ExchangeDay(1, (down,)), past_days=2, settings=EVENING,
    )  # fmt: skip
    result = await play(lab, tmp_path)
    assert list(result.account) == []
    assert result.wh("grid_export") > 1_000
    assert any("exchange is lost" in line for line in result.log)
    assert any("exchange is back" in line for line in result.log)


async def test_a_meter_and_an_inverter_that_do_not_answer(tmp_path: Path) -> None:
    """Without a meter nothing is steered by it; it is back, and so is the limit."""
    silent = (
        Silence(METER, at("11:00"), at("11:30")),
        Silence(INVERTER, at("12:00"), at("12:30")),
    )
    lab = Lab(
        at("10:30"), 2.5, Script(sun_w=clear_day(8_000), load_w=steady(500)),
        equipment=Equipment(silent=silent), soc_pct=100,
        settings={"control": {"period_s": 20}, "site": {"export_limit_w": 1_000}},
    )  # fmt: skip
    result = await play(lab, tmp_path)
    blind = result.between(at("11:01"), at("11:30"))
    assert blind.export_excess(1_000)[1] <= 20, "by what the inverter may give at all"
    alone = result.between(at("12:01"), at("12:29"))
    assert max(-s.powers.grid for s in alone.samples) > 4_000, "nobody holds it"
    assert result.between(at("12:33"), at("13:00")).export_excess(1_000)[1] <= 20
