"""A way to forecast that the nightly trial adopted is planned with, and people are told."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from gateway.agent.trial import NAME, Choice
from gateway.store.settings import FILE, SettingsStore
from simulators.lab import DAY, Lab, Script, clear_day, every_day, play

at = DAY.at


async def test_the_plan_says_how_it_forecasts(tmp_path: Path) -> None:
    store = SettingsStore(tmp_path / FILE)
    choice = Choice("plain", "2026-11-20T07:20:00Z", 0.12, 28, "2026-11-25T07:20:00Z")
    store.setting(NAME, json.dumps(asdict(choice)))
    store.close()
    script = Script(sun_w=clear_day(4_000), load_w=every_day(400, []))
    settings = {"planner": {"first_days": "live", "horizon_h": 12}, "control": {"period_s": 60}}
    result = await play(Lab(at("01:30"), 2, script, soc_pct=50, settings=settings), tmp_path)
    assert "forecasts since 2026-11-20" in result.notes
    assert any("the mean of the last days" in line for line in result.log)
