"""What rests in the market, as its operator is told: the same on each store."""

import gc
from pathlib import Path

import pytest

from gateway.clock import SimClock
from simulators.exchange import ExchangeHandle
from simulators.exchange.activity import Seen
from simulators.exchange.fleet import fleet
from simulators.exchange.order_book import Resting
from tests.exchange.conftest import Wire, play


@pytest.mark.usefixtures("each_store")
def test_the_operator_sees_how_much_rests_of_whom(tmp_path: Path) -> None:
    async def resting(handle: ExchangeHandle) -> dict[str, int]:
        rows = (await fleet(handle.market, {}))["rows"]
        return {row["party"]: row["resting"] for row in rows if row["resting"]}

    async def story(wire: Wire, clock: SimClock, handle: ExchangeHandle) -> None:
        for name in ("a", "b"):
            assert (await wire.tender(name, "SELL", 1_000, 3_000))[0] == 201
        assert (await wire.tender("c", "BUY", 400, 2_000, party="fleet-depot"))[0] == 201
        assert await resting(handle) == {"home": 2, "fleet-depot": 1}
        body = {"requestId": "r", "partyId": "home", "tenderId": "a"}
        assert (await wire.post("cancelTender", body, key="cancel"))[0] == 200
        assert await resting(handle) == {"home": 1, "fleet-depot": 1}
        await clock.sleep(2 * 3600)  # every gate has closed
        assert await resting(handle) == {}

    play(tmp_path, story)


def test_the_collector_does_not_look_through_what_rests(tmp_path: Path) -> None:
    """Tens of thousands of tenders would hold up the event loop for as many microseconds."""

    async def story(wire: Wire, clock: SimClock, handle: ExchangeHandle) -> None:
        assert (await wire.tender("t", "SELL", 1_000, 3_000))[0] == 201
        assert handle.market.entry.book.open_by_party().total() == 1
        gc.collect()
        assert not [one for one in gc.get_objects() if type(one) in (Resting, Seen)]

    play(tmp_path, story)
