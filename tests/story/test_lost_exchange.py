"""The exchange goes away for an hour and comes back: the home is steered on, and trades again."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from simulators.demo.options import Options
from simulators.demo.world import World, run_world


async def test_an_hour_without_the_exchange(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    seen: dict[str, object] = {}

    async def referee(world: World) -> None:
        await world.play(world.start + timedelta(hours=10), lambda _: None)
        assert world.gateway.present.exchange_reached
        await world.exchange.close()
        gone: datetime = world.clock.now()
        await world.play(gone + timedelta(hours=1), lambda _: None)
        plan = world.gateway.present.plan
        seen["plan age"] = world.clock.now() - plan.made_at if plan else None
        seen["reached"] = world.gateway.present.exchange_reached
        seen["metered"] = len(world.gateway.journal.book.undelivered())
        snapshot = world.gateway.present.snapshot
        seen["steered"] = snapshot is not None and snapshot.grid_w is not None

    await run_world(Options(seed=2), tmp_path, referee)
    age = seen["plan age"]
    assert isinstance(age, timedelta)
    assert age <= timedelta(minutes=10), "the home plans on without its exchange"
    assert seen["reached"] is False
    assert seen["steered"] is True
    assert seen["metered"] in (3, 4, 5), "what was metered waits to be delivered"
    lost = [r.message for r in caplog.records if r.message.startswith("exchange is lost")]
    assert len(lost) == 1, "said once"
