"""The WebSocket ticker: fills arrive, a client that comes back gets what it missed, once each."""

import asyncio
import json
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import WSCloseCode

from gateway.clock import SimClock, pause
from simulators.exchange import ExchangeHandle
from simulators.exchange.rows import Session
from simulators.exchange.sqlite_ledger import SqliteLedger
from tests.exchange.conftest import START, Stores, Wire, play

HOME = {"Authorization": "Bearer insecure:home"}


async def take(wire: Wire, path: str, last: int, until: int) -> list[dict[str, Any]]:
    """Frames after ``last`` up to sequence ``until``."""
    frames: list[dict[str, Any]] = []
    url = f"{wire.url}{path}&lastSeq={last}"
    async with wire.session.ws_connect(url, headers=HOME) as socket:
        while not frames or frames[-1]["seq"] < until:
            frame = json.loads(await socket.receive_str())
            frames.append(frame)
            if frame["type"] == "EiCreateTransaction":
                payload = frame["payload"]
                reply = {
                    "type": "EiCreatedTransaction",
                    "payload": {"inResponseTo": payload["requestId"]},
                }
                await socket.send_json(reply)
    return frames


@pytest.mark.usefixtures("each_store")
def test_resume_by_sequence(tmp_path: Path) -> None:
    async def story(wire: Wire, clock: SimClock, handle: ExchangeHandle) -> None:
        request = {
            "requestId": "s",
            "partyId": "home",
            "marketId": "charging-network",
            "segmentId": "LZ_SOUTH",
        }
        status, reply, _ = await wire.post("manageTickerSubscription", request, key=None)
        assert (status, reply["subscriptionActionTaken"]) == (200, "SNAPSHOT_AND_UPDATES")
        path = reply["multicastListenReference"]
        await wire.tender("t1", "SELL", 1_000, 2_000)
        await wire.tender("f1", "BUY", 500, 2_000, party="fleet-depot")
        await clock.sleep_until(START + timedelta(minutes=5, seconds=1))
        first_end = handle.market.last_seq()
        first = await take(wire, path, reply["lastSeq"], first_end)
        await wire.tender("t2", "SELL", 1_000, 2_000)
        await clock.sleep_until(START + timedelta(minutes=15, seconds=1))
        last = handle.market.last_seq()
        second = await take(wire, path, first_end, last)
        again = await take(wire, path, 0, last)
        assert [f for f in again if f["seq"] > first_end] == second
        sequences = [f["seq"] for f in again]
        assert sequences == sorted(set(sequences))
        pushed = [f["payload"]["transaction"] for f in again if f["type"] == "EiCreateTransaction"]
        _, fetched = await wire.get("transactions", after="0")
        assert pushed == fetched["transactions"]
        assert [t["tender"]["tenderId"] for t in pushed] == ["t1", "t2"]
        tickers = [f["payload"] for f in first if f["type"] == "TransactionTicker"]
        assert {t["quantity"] for t in tickers} == {0, 1_000}
        assert {t["price"] for t in tickers} == {None, 2_700}
        assert any(f["payload"].get("sessionStatus") == "OPEN" for f in again)

    play(tmp_path, story)


@pytest.mark.usefixtures("each_store")
def test_a_bad_resume_point_is_refused(tmp_path: Path) -> None:
    async def story(wire: Wire, clock: SimClock, handle: ExchangeHandle) -> None:
        assert (await wire.get("ticker", lastSeq="x"))[0] == 400
        assert (await wire.get("ticker", lastSeq="1"))[0] in (400, 426)

    play(tmp_path, story)


@pytest.mark.usefixtures("each_store")
def test_listeners_are_told_when_the_exchange_goes(tmp_path: Path) -> None:
    async def story(wire: Wire, clock: SimClock, handle: ExchangeHandle) -> None:
        socket = await wire.session.ws_connect(f"{wire.url}/cts/ticker", headers=HOME)
        closing = asyncio.get_running_loop().create_task(handle.close())
        await socket.receive()
        assert socket.close_code == WSCloseCode.GOING_AWAY
        await closing

    play(tmp_path, story)


class Watched(SqliteLedger):
    """The store, and in which round of the event loop it was looked at."""

    def __init__(self, path: Path) -> None:
        self.round = 0
        self.looks = Counter[int]()
        super().__init__(path, power_safe=False)

    async def sessions_after(self, seq: int, limit: int) -> Sequence[Session]:
        self.looks[self.round] += 1
        return await super().sessions_after(seq, limit)

    async def count(self) -> None:
        while True:
            self.round += 1
            await pause(0)


def test_many_listeners_do_not_hold_up_the_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All are woken by a call; three thousand that were told in one round took a third of a second."""
    store = Watched(tmp_path / "exchange.db")
    monkeypatch.setattr(Stores, "make", staticmethod(lambda: store))

    async def story(wire: Wire, clock: SimClock, handle: ExchangeHandle) -> None:
        async with AsyncExitStack() as stack:
            sockets = [
                await stack.enter_async_context(
                    wire.session.ws_connect(f"{wire.url}/cts/ticker", headers=HOME)
                )
                for _ in range(40)
            ]
            counting = asyncio.get_running_loop().create_task(store.count())
            await pause(0)
            store.looks.clear()
            handle.market.news.announce()
            await clock.sleep_until(START + timedelta(minutes=5, seconds=1))
            heard = [json.loads(await socket.receive_str())["seq"] for socket in sockets]
            looks = store.looks.copy()
            counting.cancel()
        assert len(set(heard)) == 1
        assert sum(looks.values()) >= 2 * len(sockets)
        assert max(looks.values()) <= 10

    play(tmp_path, story)
