"""The WebSocket ticker: fills arrive, a client that comes back gets what it missed, once each."""

import asyncio
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import WSCloseCode

from gateway.clock import SimClock
from simulators.exchange import ExchangeHandle
from tests.exchange.conftest import START, Wire, play

pytestmark = pytest.mark.usefixtures("each_store")

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


def test_a_bad_resume_point_is_refused(tmp_path: Path) -> None:
    async def story(wire: Wire, clock: SimClock, handle: ExchangeHandle) -> None:
        assert (await wire.get("ticker", lastSeq="x"))[0] == 400
        assert (await wire.get("ticker", lastSeq="1"))[0] in (400, 426)

    play(tmp_path, story)


def test_listeners_are_told_when_the_exchange_goes(tmp_path: Path) -> None:
    async def story(wire: Wire, clock: SimClock, handle: ExchangeHandle) -> None:
        socket = await wire.session.ws_connect(f"{wire.url}/cts/ticker", headers=HOME)
        closing = asyncio.get_running_loop().create_task(handle.close())
        await socket.receive()
        assert socket.close_code == WSCloseCode.GOING_AWAY
        await closing

    play(tmp_path, story)
