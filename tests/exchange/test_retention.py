"""What is kept how long: nothing that a party may still ask for goes with the rows that go."""

from datetime import timedelta
from pathlib import Path

import pytest

from gateway.clock import SimClock
from simulators.exchange import ExchangeHandle
from simulators.exchange.rows import to_quarter
from tests.exchange.conftest import T, Wire, play, tender_body

pytestmark = pytest.mark.usefixtures("each_store")


def test_a_tender_is_known_when_only_its_document_is_kept(tmp_path: Path) -> None:
    async def story(wire: Wire, clock: SimClock, handle: ExchangeHandle) -> None:
        first = await wire.tender("dear", "SELL", 1_000, 7_000)
        await wire.tender("cheap", "SELL", 500, 2_000)
        await wire.tender("gone", "SELL", 200, 6_900)
        body = {"requestId": "c", "partyId": "home", "tenderId": "gone"}
        canceled = await wire.post("cancelTender", body, key="c")
        assert canceled[1]["eiCanceledResponse"]["success"]
        await clock.sleep(3 * 3600)
        before = [(await wire.get("tenders", tenderId=t))[1]["tenders"] for t in ("dear", "cheap", "gone")]  # fmt: skip
        await clock.sleep(2 * 3600)
        assert handle.store.all("SELECT * FROM tender") == []
        after = [(await wire.get("tenders", tenderId=t))[1]["tenders"] for t in ("dear", "cheap", "gone")]  # fmt: skip
        assert after == before
        assert [t["ordStatus"] for (t,) in after] == ["EXPIRED", "FILLED", "CANCELED"]
        _, fills = await wire.get("transactions", after="0")
        assert [t["tender"]["tenderId"] for t in fills["transactions"]] == ["cheap"]
        again = await wire.tender("dear", "SELL", 1_000, 7_000)
        assert (again[1], again[2]["Idempotent-Replayed"]) == (first[1], "true")
        assert (await wire.post("cancelTender", body, key="c"))[1] == canceled[1]
        later = clock.now() - timedelta(minutes=clock.now().minute % 15) + timedelta(hours=3)
        taken = await wire.tender("dear", "SELL", 1_000, 7_000, start=later, key="other")
        assert (taken[0], taken[1]["title"]) == (409, "duplicate-tender")

    play(tmp_path, story)


def test_the_name_of_an_interval_of_a_stream_is_taken(tmp_path: Path) -> None:
    async def story(wire: Wire, clock: SimClock, handle: ExchangeHandle) -> None:
        body = tender_body("st", "SELL", 100, 7_000)
        body["tender"]["tenderDetail"] = {
            "stream": {
                "streamStart": T.isoformat(),
                "streamIntervals": [
                    {"streamUid": 0, "streamIntervalPrice": 7_000, "streamIntervalQuantity": 100}
                ],
            }
        }
        assert (await wire.post("createStreamTender", body, key="st"))[0] == 201
        await clock.sleep_until(T)  # the stream is no longer in the book
        later = T + timedelta(hours=1)
        taken = await wire.tender("st.0", "SELL", 100, 7_000, start=later)
        assert (taken[0], taken[1]["title"]) == (409, "duplicate-tender")
        assert (await wire.tender("st.1", "SELL", 100, 7_000, start=later))[0] == 201

    play(tmp_path, story)


def test_the_account_outlives_the_documents(tmp_path: Path) -> None:
    async def story(wire: Wire, clock: SimClock, handle: ExchangeHandle) -> None:
        await wire.tender("cheap", "SELL", 500, 2_000)
        await clock.sleep(3 * 3600)
        ledger = handle.ledger()
        assert ledger["home"] > 0
        _, fills = await wire.get("transactions", after="0")
        soon = to_quarter(clock.now()) + 1
        await handle.store.forget(soon, to_quarter(T))  # the documents are over, the account is not
        assert handle.ledger() == ledger
        assert (await wire.get("transactions", after="0"))[1]["transactions"] == fills[
            "transactions"
        ]
        await handle.store.forget(soon, soon)
        assert handle.ledger() == {}

    play(tmp_path, story)
