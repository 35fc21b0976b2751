"""The backup reserve as the cells have it: whatever fails meanwhile, no night takes it away."""

from __future__ import annotations

from pathlib import Path

from simulators.lab import DAY, Lab, Said, Script, SensorFault, Visit, every_day, play, steady

at = DAY.at


async def test_a_night_without_the_meter_keeps_the_reserve(tmp_path: Path) -> None:
    """The inverter covers the house by a meter of its own, and knows no reserve: it went down to 5 %."""
    fault = SensorFault("grid", "lost", at("20:00"), at("05:00", 1))
    lab = Lab(
        at("19:00"), 10,
        Script(load_w=steady(900), sensors=(fault,)),
        soc_pct=40,
        settings={"site": {"time_zone": "UTC", "reserve_pct": 20}, "control": {"period_s": 30}},
        agent=False,
    )  # fmt: skip
    result = await play(lab, tmp_path)
    lowest_pct = min(sample.soc_pct for sample in result.samples)
    assert 19 < lowest_pct <= 20, "what is above it is given, and no more than standby takes of it"


async def test_a_car_under_the_fuse_is_not_charged_from_the_reserve(tmp_path: Path) -> None:
    """An oven beside a car under one fuse: what the battery gave to keep it, the car went on drawing."""
    script = Script(
        load_w=every_day(1_000, [(19, 20, 4_000)]),
        visits=(Visit(at("18:30"), at("23:00")),),
    )
    lab = Lab(
        at("18:00"), 3, script,
        soc_pct=21,
        settings={"site": {"time_zone": "UTC", "import_limit_w": 10_000}},
        commands=(Said(at("18:35"), "charge_now", True),),
    )  # fmt: skip
    result = await play(lab, tmp_path)
    assert result.car_wh() > 12_000
    assert min(sample.soc_pct for sample in result.samples) > 19.5
    assert result.import_excess(10_000)[1] <= 10, "a tick"


async def test_the_guard_alone_has_a_car_ready_with_few_starts(tmp_path: Path) -> None:
    script = Script(load_w=steady(800), visits=(Visit(at("20:00"), at("23:00")),))
    lab = Lab(
        at("19:50"), 3, script,
        soc_pct=90,
        settings={"car": {"energy_wh": 9_000, "departure": "22:30"}},
        agent=False,
    )  # fmt: skip
    result = await play(lab, tmp_path)
    assert result.between(lab.start, at("22:30")).car_wh() > 8_950
    assert result.starts() <= 2, "a look at its phases, and the charging itself"
    assert result.wh("discharge") < 1.1 * result.wh("load"), "nor from the battery"
