"""Half a day of the whole network: the account closes, and a second run gives the same account."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.clock import SimClock
from simulators.exchange import ExchangeHandle
from simulators.exchange.replay import replay
from simulators.exchange.sqlite_ledger import SqliteLedger
from simulators.participants import start_participants
from tests.exchange.conftest import Wire, play

EVENING = datetime(2026, 6, 1, 22, tzinfo=UTC)


def _half_day(path: Path) -> tuple[dict[str, int], list[tuple[object, ...]]]:
    seen: list[tuple[dict[str, int], list[tuple[object, ...]]]] = []

    async def story(wire: Wire, clock: SimClock, handle: ExchangeHandle) -> None:
        others = await start_participants(clock, wire.group, wire.url, 7)
        await clock.sleep_until(EVENING + timedelta(hours=12, minutes=10))
        await handle.settle_all(EVENING + timedelta(hours=12))
        await others.close()
        store, prices = handle.store, handle.market.prices
        assert handle.zero_sum_error == 0
        assert await replay(store, prices) > 500
        assert isinstance(store, SqliteLedger)
        with store.transaction() as db:
            db.execute(
                "UPDATE fill SET quantity = quantity + 10 WHERE seq = (SELECT MAX(seq) FROM fill)"
            )
        with pytest.raises(ValueError, match="does not replay"):
            await replay(store, prices)
        fills = store.all(
            "SELECT party_id, start, buy, price, quantity FROM fill"
            " JOIN party ON number = party ORDER BY seq"
        )
        seen.append((handle.ledger(), [tuple(row) for row in fills]))

    play(path, story, start=EVENING)
    return seen[0]


def test_sums_to_zero_and_repeats(tmp_path: Path) -> None:
    ledger, fills = _half_day(tmp_path / "one")
    assert {"charging-1", "charging-2", "data-centre", "fleet-depot", "lse"} <= set(ledger)
    assert len(fills) > 100
    assert (ledger, fills) == _half_day(tmp_path / "two")
