"""The disk of the store is full for a while."""

from pathlib import Path

from gateway.clock import SimClock
from simulators.exchange import ExchangeHandle
from simulators.exchange.sqlite_ledger import SqliteLedger
from tests.exchange.conftest import Wire, play


def test_a_full_disk_loses_nothing_that_was_answered(tmp_path: Path) -> None:
    async def story(wire: Wire, clock: SimClock, handle: ExchangeHandle) -> None:
        await wire.tender("before", "SELL", 1_000, 2_000)
        store = handle.store
        assert isinstance(store, SqliteLedger)
        (pages,) = store._writer.execute("PRAGMA page_count").fetchone()
        store._writer.execute(f"PRAGMA max_page_count = {pages}")
        answers = [await wire.tender(f"t{n}", "SELL", 50, 6_000) for n in range(80)]
        refused = [n for n, (status, _, _) in enumerate(answers) if status == 503]
        assert refused
        assert answers[refused[0]][1]["title"] == "storage"
        await clock.sleep(301)  # a call time passes and cannot be stored
        store._writer.execute("PRAGMA max_page_count = 1000000")
        status, _, headers = await wire.tender(f"t{refused[0]}", "SELL", 50, 6_000)
        assert (status, headers.get("Idempotent-Replayed")) == (201, None)
        kept = len(answers) - len(refused) + 2
        assert len(store.all("SELECT 1 FROM tender")) == kept
        await clock.sleep(301)
        _, found = await wire.get("transactions", after="0")
        assert found["transactions"][0]["tender"]["tenderId"] == "before"

    play(tmp_path, story)
