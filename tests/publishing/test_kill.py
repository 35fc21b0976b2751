"""kill -9 in the middle of publishing: every event of the journal arrives, in order, one id each."""

from __future__ import annotations

import asyncio
import json
import random
import sys
from pathlib import Path

from gateway.store.journal import Journal
from simulators.broker import BrokerHandle
from tests.publishing.conftest import listening
from tests.publishing.test_broker_faults import LEDGER, in_order_without_loss

LIVES, EVENTS_A_LIFE = 5, 300
EVENTS = LIVES * EVENTS_A_LIFE


async def test_killed_again_and_again(broker: BrokerHandle, tmp_path: Path) -> None:
    rng = random.Random(11)
    path = tmp_path / "journal.sqlite"
    command = ["-m", "tests.publishing.publisher_process", str(path), str(broker.port)]
    async with listening(broker.port, LEDGER) as heard:
        for life in range(1, LIVES):
            more = [*command, str(life * EVENTS_A_LIFE), "stay"]
            child = await asyncio.create_subprocess_exec(sys.executable, *more)
            enough = len(heard.messages) + rng.randrange(30, 200)
            await heard.until(lambda h, enough=enough: len(h.messages) >= enough)  # type: ignore[misc]
            child.kill()
            await child.wait()
        child = await asyncio.create_subprocess_exec(sys.executable, *command, str(EVENTS))
        assert await child.wait() == 0
        await heard.until(lambda h: json.loads(h.messages[-1][1])["seq"] == EVENTS)
        in_order_without_loss(heard, EVENTS)
    journal = Journal(path)
    assert journal.verify() == EVENTS
    assert journal.unsent() == []
    journal.close()
