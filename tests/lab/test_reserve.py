"""The backup reserve as the cells have it: whatever fails meanwhile, no night takes it away."""

from __future__ import annotations

from pathlib import Path

from simulators.lab import DAY, Lab, Script, SensorFault, play, steady

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
