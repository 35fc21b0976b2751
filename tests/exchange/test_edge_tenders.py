"""Edge cases 1 to 8 of the market's specification, black box over HTTP."""

import asyncio
import json
from datetime import datetime, timedelta
from pathlib import Path

import aiohttp
import pytest

from gateway.clock import SimClock
from gateway.domain.intervals import iso
from gateway.market.signing import read_credential
from simulators.exchange import ExchangeHandle, Terms, start_exchange
from tests import loops
from tests.exchange.conftest import START, T, TestPrices, Wire, play, tender_body

pytestmark = pytest.mark.usefixtures("each_store")

GATE = T - timedelta(minutes=5)
ALONE = Terms(backstop_wh=0)  # no retailer: only the parties' own tenders meet
FIRST_CALL = START + timedelta(minutes=5, seconds=1)


async def fills(wire: Wire, party: str) -> list[tuple[int, int]]:
    _, found = await wire.get("transactions", party=party, after="0")
    details = [t["tender"]["tenderDetail"] for t in found["transactions"]]
    return [(d["quantity"], d["price"]) for d in details]


async def count(wire: Wire, party: str = "home") -> int:
    _, found = await wire.get("tenders", party=party)
    return len(found["tenders"])


def test_1_duplicate_tender(tmp_path: Path) -> None:
    async def story(wire: Wire, clock: SimClock, handle: ExchangeHandle) -> None:
        status, first, headers = await wire.tender("t1", "SELL", 1_000, 6_000, key="one")
        assert (status, headers.get("Idempotent-Replayed")) == (201, None)
        await clock.sleep(1)
        body = tender_body("t1", "SELL", 1_000, 6_000)
        spelled = json.dumps(dict(reversed(body.items())), indent=3).encode()
        status, again, headers = await wire.post("createTender", spelled, key="one")
        assert (status, headers["Idempotent-Replayed"]) == (201, "true")
        assert again == first
        status, problem, _ = await wire.tender("t1", "SELL", 1_010, 6_000, key="one")
        assert (status, problem["title"]) == (422, "key-reused")
        status, problem, _ = await wire.tender("t1", "SELL", 1_000, 6_000, key="two")
        assert (status, problem["title"], problem["ordRejReason"]) == (409, "duplicate-tender", 6)
        assert problem["inResponseTo"] == "r-t1"
        status, _, headers = await wire.tender("t1", "SELL", 1_000, 6_000, key="two")
        assert (status, headers["Idempotent-Replayed"]) == (409, "true")
        assert await count(wire) == 1
        # keys are a party's own
        status, _, headers = await wire.tender(
            "t1", "BUY", 1_000, 100, party="fleet-depot", key="one"
        )
        assert (status, headers.get("Idempotent-Replayed")) == (201, None)

    play(tmp_path, story)


def test_2_late_tender(tmp_path: Path) -> None:
    async def story(wire: Wire, clock: SimClock, handle: ExchangeHandle) -> None:
        host, port = handle.url.removeprefix("http://").split(":")
        slow = json.dumps(tender_body("slow", "SELL", 100, 6_000)).encode()
        reader, writer = await asyncio.open_connection(host, int(port))
        head = (
            "POST /cts/createTender HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer insecure:home\r\n"
            f"Idempotency-Key: slow\r\nConnection: close\r\nContent-Length: {len(slow)}\r\n\r\n"
        )
        await clock.sleep_until(GATE - timedelta(milliseconds=1))
        writer.write(head.encode() + slow[:40])
        await writer.drain()
        status, answer, _ = await wire.tender("in-time", "SELL", 100, 6_000)
        assert status == 201
        assert answer["serverTime"] == "2026-06-01T12:54:59.999Z"
        await clock.sleep_until(GATE)
        status, problem, _ = await wire.tender("late", "SELL", 100, 6_000)
        assert (status, problem["title"], problem["ordRejReason"]) == (409, "gate-closed", 4)
        writer.write(slow[40:])
        answered = await reader.read()
        assert b" 409 " in answered.split(b"\r\n")[0]
        writer.close()
        await writer.wait_closed()

    play(tmp_path, story)


def test_2_cancels_end_ten_seconds_before_tenders(tmp_path: Path) -> None:
    async def story(wire: Wire, clock: SimClock, handle: ExchangeHandle) -> None:
        await wire.tender("t1", "SELL", 100, 6_000)
        await clock.sleep_until(GATE - timedelta(seconds=10))
        body = {"requestId": "c", "partyId": "home", "tenderId": "t1"}
        status, problem, _ = await wire.post("cancelTender", body, key="c")
        assert (status, problem["ordRejReason"]) == (409, 4)
        request = {"requestId": "s", "partyId": "home"}
        _, sessions, _ = await wire.post("manageSessionData", request, key=None)
        assert sessions["sessionData"][0]["sessionStatus"] == "PRECLOSE"
        status, _, _ = await wire.tender("t2", "SELL", 100, 6_000)
        assert status == 201

    play(tmp_path, story)


def test_3_price_at_cap_and_floor(tmp_path: Path) -> None:
    async def story(wire: Wire, clock: SimClock, handle: ExchangeHandle) -> None:
        assert (await wire.tender("floor", "SELL", 1_000, -25_000))[0] == 201
        assert (await wire.tender("cap", "BUY", 1_000, 500_000, party="fleet-depot"))[0] == 201
        for price in (500_001, -25_001):
            status, problem, _ = await wire.tender(f"p{price}", "SELL", 100, price)
            assert (status, problem["title"], problem["ordRejReason"]) == (422, "price-band", 16)
        status, problem, _ = await wire.tender("half", "SELL", 100, 10.5)
        assert (status, problem["title"], problem["ordRejReason"]) == (422, "tick", 18)
        await clock.sleep_until(FIRST_CALL)
        assert await fills(wire, "home") == [(1_000, (500_000 - 25_000) // 2)]

    play(tmp_path, story, terms=ALONE)


def test_4_negative_price(tmp_path: Path) -> None:
    async def story(wire: Wire, clock: SimClock, handle: ExchangeHandle) -> None:
        await wire.tender("s", "SELL", 1_000, -3)
        await wire.tender("b", "BUY", 1_000, -2, party="fleet-depot")
        await clock.sleep_until(FIRST_CALL)
        assert await fills(wire, "home") == [(1_000, -3)]
        await clock.sleep_until(T + timedelta(minutes=31))
        assert handle.ledger() == {"fleet-depot": 3_000, "home": -3_000}

    play(tmp_path, story, terms=ALONE)


def test_5_quantities(tmp_path: Path) -> None:
    async def story(wire: Wire, clock: SimClock, handle: ExchangeHandle) -> None:
        for quantity in (0, -10, 55, 40, 2**63, 2**200):
            status, problem, _ = await wire.tender(f"q{quantity}", "SELL", quantity, 100)
            assert (status, problem["title"], problem["ordRejReason"]) == (422, "quantity", 13)
        status, problem, _ = await wire.tender("big", "SELL", 6_260, 100)
        assert (status, problem["title"], problem["ordRejReason"]) == (422, "exceeds-capacity", 3)
        body = tender_body("st", "SELL", 100, 6_000)
        body["tender"]["tenderDetail"] = {
            "stream": {
                "streamIntervalDuration": "PT15M",
                "streamStart": iso(T),
                "streamIntervals": [
                    {"streamUid": n, "streamIntervalPrice": 6_000, "streamIntervalQuantity": q}
                    for n, q in enumerate((100, 55, 200))
                ],
            }
        }
        status, answer, _ = await wire.post("createStreamTender", body, key="st")
        assert status == 201
        created = answer["createdTenders"]
        assert [c["response"]["responseCode"] for c in created] == [201, 422, 201]
        assert [c["ordRejReason"] for c in created] == [None, 13, None]
        assert await count(wire) == 2

    play(tmp_path, story)


@pytest.mark.parametrize("skew_s", [-90, 90])
def test_6_a_clients_clock_decides_nothing(tmp_path: Path, skew_s: int) -> None:
    async def story(wire: Wire, clock: SimClock, handle: ExchangeHandle) -> None:
        home = read_credential(handle.credential_file("home"))
        for when, expected in ((GATE - timedelta(milliseconds=1), 201), (GATE, 409)):
            await clock.sleep_until(when)
            body = json.dumps(tender_body(f"t{expected}", "SELL", 100, 6_000)).encode()
            signed = home.sign(body, clock.now() + timedelta(seconds=skew_s))
            headers = {"Content-Type": "application/jose"}
            key = str(expected)
            status, _, _ = await wire.post("createTender", signed, key=key, headers=headers)
            assert status == expected

    play(tmp_path, story)


class _Shifted:
    """A clock that can be set back, as a machine's can."""

    def __init__(self, inner: SimClock) -> None:
        self._inner = inner
        self.offset = timedelta(0)
        self.monotonic, self.sleep, self.spawn = inner.monotonic, inner.sleep, inner.spawn

    def now(self) -> datetime:
        return self._inner.now() + self.offset

    async def sleep_until(self, when: datetime) -> None:
        await self._inner.sleep_until(when - self.offset)


def test_7_a_clock_set_back_opens_nothing(tmp_path: Path) -> None:
    async def run() -> None:
        clock = SimClock(START)
        shifted = _Shifted(clock)
        async with asyncio.TaskGroup() as group:

            async def story() -> None:
                handle = await start_exchange(shifted, group, tmp_path, TestPrices())
                async with aiohttp.ClientSession() as session:
                    wire = Wire(handle.url, session, group)
                    await wire.tender("early", "SELL", 100, 2_000)
                    await clock.sleep_until(GATE + timedelta(seconds=1))
                    (before,) = await fills(wire, "home")
                    shifted.offset = timedelta(hours=-1)
                    status, problem, _ = await wire.tender("late", "SELL", 100, 2_000)
                    assert (status, problem["ordRejReason"]) == (409, 4)
                    later = T + timedelta(minutes=15)
                    status, answer, _ = await wire.tender("n", "SELL", 100, 2_000, start=later)
                    assert status == 201
                    assert answer["serverTime"] >= iso(GATE)
                    await clock.sleep(2 * 3600)
                    assert (await fills(wire, "home"))[0] == before
                    _, found = await wire.get("transactions", after="0")
                    sequences = [t["seq"] for t in found["transactions"]]
                    assert sequences == sorted(set(sequences))
                await handle.close()

            clock.spawn(group, story(), "story")

    loops.run(run())


def test_8_partial_fill(tmp_path: Path) -> None:
    async def story(wire: Wire, clock: SimClock, handle: ExchangeHandle) -> None:
        buyers = ("charging-1", "charging-2", "fleet-depot")
        for party in buyers:
            assert (await wire.tender("b", "BUY", 200, 5_000, party=party))[0] == 201
        await wire.tender("s", "SELL", 100, 5_000)
        await clock.sleep_until(FIRST_CALL)
        got = [(await fills(wire, party))[0][0] for party in buyers]
        assert sorted(got) == [30, 30, 40]  # 10 lots in three
        assert await fills(wire, "home") == [(100, 5_000)]
        await wire.tender("s2", "SELL", 300, 5_000)
        await clock.sleep_until(FIRST_CALL + timedelta(minutes=5))
        bought = [sum(q for q, _ in await fills(wire, party)) for party in buyers]
        assert sum(bought) == 400
        _, found = await wire.get("tenders", party="charging-1", tenderId="b")
        (rest,) = found["tenders"]
        assert rest["ordStatus"] == "PARTIALLY_FILLED"
        body = {"requestId": "c", "partyId": "charging-1", "tenderId": "b"}
        _, answer, _ = await wire.post("cancelTender", body, party="charging-1", key="c")
        canceled = answer["eiCanceledResponse"]
        assert (canceled["success"], canceled["remainingQuantity"]) == (True, 200 - bought[0])
        position = {
            "requestId": "p",
            "requestor": "charging-1",
            "positionParty": "charging-1",
            "boundingInterval": {"dtStart": iso(T), "duration": "PT15M"},
        }
        _, reply, _ = await wire.post("requestPosition", position, party="charging-1", key=None)
        (held,) = reply["positions"]["streamIntervals"]
        assert held["streamIntervalQuantity"] == -bought[0]

    play(tmp_path, story, terms=ALONE)


def test_a_party_does_not_trade_with_itself(tmp_path: Path) -> None:
    async def story(wire: Wire, clock: SimClock, handle: ExchangeHandle) -> None:
        await wire.tender("s", "SELL", 100, 5_000)
        status, problem, _ = await wire.tender("b", "BUY", 100, 5_000)
        assert (status, problem["title"]) == (422, "self-cross")
        assert (await wire.tender("b2", "BUY", 100, 4_999))[0] == 201
        status, problem, _ = await wire.tender("s2", "SELL", 100, 4_999)
        assert (status, problem["title"]) == (422, "self-cross")

    play(tmp_path, story)
