"""The acts of a hostile exchange, by name."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from aiohttp import web

from tests.hostile.liar import Act, stream

_JSON = {"Content-Type": "application/json"}


def _answering(status: int, text: str | bytes, **headers: str) -> Any:
    async def raw(request: web.Request) -> web.StreamResponse:
        body = text if isinstance(text, bytes) else text.encode()
        return web.Response(status=status, body=body, headers=_JSON | headers)

    return raw


async def _endless_body(request: web.Request) -> web.StreamResponse:
    return await stream(request, b'{"a": "' + b"x" * 65_536, _JSON)


async def _announced_3_gb(request: web.Request) -> web.StreamResponse:
    return await stream(request, b" " * 65_536, _JSON | {"Content-Length": str(3 * 2**30)})


async def _drip(request: web.Request) -> web.StreamResponse:
    reply = web.StreamResponse(headers=_JSON)
    await reply.prepare(request)
    try:
        while True:
            await reply.write(b" ")
            await asyncio.sleep(1)
    except (ConnectionError, OSError):
        return reply


async def _bomb(request: web.Request) -> web.StreamResponse:
    body = gzip.compress(b'{"a": "' + b"0" * 50_000_000 + b'"}')
    return web.Response(body=body, headers=_JSON | {"Content-Encoding": "gzip"})


async def _to_itself(request: web.Request) -> web.StreamResponse:
    raise web.HTTPTemporaryRedirect(request.path_qs)


async def _cut(request: web.Request) -> web.StreamResponse:
    reply = web.StreamResponse(headers=_JSON | {"Content-Length": "1000"})
    await reply.prepare(request)
    await reply.write(b'{"transactions": [')
    assert request.transport is not None
    request.transport.abort()
    return reply


async def _endless_pages(request: web.Request) -> web.StreamResponse:
    """Each page brings a fill of nothing and says that there is more."""
    after = int(request.query.get("after", "0"))
    rows = [
        {
            "seq": after + n,
            "marketTransactionId": f"made-up-{after + n}",
            "tender": {
                "tenderId": f"home-{after + n}",
                "side": "SELL",
                "tenderDetail": {
                    "interval": {"dtStart": "2026-06-01T14:00:00Z", "duration": "PT15M"},
                    "price": 1,
                    "quantity": 1000,
                },
            },
        }
        for n in range(1, 101)
    ]
    return web.json_response({"transactions": rows, "more": True})


def _bytes(*parts: bytes, times: int = 1) -> Any:
    """What stands on the wire instead of an answer, its last part so many ``times``; then it hangs up."""

    async def raw(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.write(b"".join(parts[:-1]) + parts[-1] * times)
        request.transport.close()
        return web.Response()

    return raw


def _endless(head: bytes, piece: bytes) -> Any:
    """Something that never ends where an answer should begin or end: more of it every second, so that it is never silent."""

    async def raw(request: web.Request) -> web.StreamResponse:
        writer = request.transport
        assert isinstance(writer, asyncio.WriteTransport)
        writer.write(head)
        while not writer.is_closing():
            if writer.get_write_buffer_size() < 65_536:
                writer.write(piece)
            await asyncio.sleep(1)
        return web.Response()

    return raw


def _fills(change: Callable[[dict[str, Any]], object]) -> Callable[[Any], Any]:
    """Change every fill."""

    def spoil(document: Any) -> Any:
        for row in document["transactions"]:
            change(row)
        return document

    return spoil


def _detail(row: dict[str, Any]) -> dict[str, Any]:
    detail: dict[str, Any] = row["tender"]["tenderDetail"]
    return detail


def _settlements(change: Callable[[dict[str, Any]], object]) -> Callable[[Any], Any]:
    def spoil(document: Any) -> Any:
        for row in document["settlements"]:
            change(row)
        return document

    return spoil


def _scaled(times: float) -> Callable[[dict[str, Any]], object]:
    def change(row: dict[str, Any]) -> None:
        for name in ("energyMoney", "imbalanceMoney", "uncontractedMoney", "feeMoney"):
            row[name] = int(row[name] * times)

    return change


def _made_up_fill(start: str, price: int = -100_000) -> Callable[[Any], Any]:
    def spoil(document: Any) -> Any:
        document["transactions"].append(
            {
                "seq": document["last"] + 1,
                "marketTransactionId": f"made-up-{start}",
                "tender": {
                    "tenderId": "home-never-1",
                    "side": "SELL",
                    "tenderDetail": {
                        "interval": {"dtStart": start, "duration": "PT15M"},
                        "price": price,
                        "quantity": 1200,
                    },
                },
            }
        )
        return document

    return spoil


def _doubled(document: Any) -> Any:
    """Every fill a second time, under another number."""
    more = json.loads(json.dumps(document["transactions"]))
    for number, row in enumerate(more, 1):
        row["seq"] = document["last"] + number
        row["marketTransactionId"] += "-again"
    document["transactions"] += more
    return document


def _twice_settled(document: Any) -> Any:
    more = json.loads(json.dumps(document["settlements"]))
    for row in more:
        row["settlementId"] += "-again"
    document["settlements"] += more
    return document


def _numbers_again() -> Callable[[Any], Any]:
    """Fills that were told already come once more, under their old numbers and with other quantities."""
    told: dict[str, dict[str, Any]] = {}

    def spoil(document: Any) -> Any:
        rows = document["transactions"]
        again = [json.loads(json.dumps(row)) for row in told.values()]
        told.update((row["marketTransactionId"], row) for row in rows)
        for number, row in enumerate(again, 1):
            row["seq"] = document["last"] + number
            _detail(row)["quantity"] *= 3
            _detail(row)["price"] += 500
        document["transactions"] = rows + again
        return document

    return spoil


def _settled_anew() -> Callable[[Any], Any]:
    """A row that was told comes once more under its own name, at another price."""
    told: set[str] = set()

    def spoil(document: Any) -> Any:
        for row in document["settlements"]:
            if row["settlementId"] in told:
                row["imbalancePrice"] += 1_000
                _scaled(2)(row)
            told.add(row["settlementId"])
        return document

    return spoil


def _two_prices(document: Any) -> Any:
    """Each row twice in one answer, under one name and at two prices."""
    more = json.loads(json.dumps(document["settlements"]))
    for row in more:
        row["imbalancePrice"] += 1_000
        _scaled(2)(row)
    document["settlements"] += more
    return document


def _later(row: dict[str, Any]) -> None:
    """The quarter-hour after the one that was tendered: at its boundary, to the second."""
    interval = _detail(row)["interval"]
    start = datetime.fromisoformat(interval["dtStart"]) + timedelta(minutes=15)
    interval["dtStart"] = start.strftime("%Y-%m-%dT%H:%M:%SZ")


def _only_reversed(document: Any) -> Any:
    more = json.loads(json.dumps(document["settlements"]))
    for row in more:
        row["reverses"], row["settlementId"] = row["settlementId"], row["settlementId"] + "-r"
        for name in ("position", "metered"):
            row[name] = -row[name]
        _scaled(-1)(row)
    document["settlements"] += more
    return document


def _segment(**fields: Any) -> Callable[[Any], Any]:
    def spoil(document: Any) -> Any:
        document["segmentReferenceData"][0] |= fields
        return document

    return spoil


def _set(*path: str | int, value: Any) -> Callable[[Any], Any]:
    def spoil(document: Any) -> Any:
        at = document
        for key in path[:-1]:
            at = at[key]
        at[path[-1]] = value
        return document

    return spoil


_CHUNKED = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
)
_NESTED = b'{"a": ' + b"[" * 200_000 + b"]" * 200_000 + b"}"
_DEEP = '{"a": ' + "[" * 500 + "]" * 500 + "}"
_HUGE = '{"transactions": [], "more": false, "last": 1' + "0" * 400 + "}"
_RULES = "manageSegmentReferenceData"

ACTS = [
    # what is no document of ours
    Act("nested 200,000 deep", raw=_answering(200, _NESTED)),
    Act("nested 500 deep", "transactions", raw=_answering(200, _DEEP)),
    Act("a number of 400 digits", "transactions", raw=_answering(200, _HUGE)),
    Act("not a number", "prices", raw=_answering(200, '{"prices": NaN}')),
    Act("infinity", "prices", raw=_answering(200, '{"prices": 1e999999}')),
    Act("a list", raw=_answering(200, "[1, 2]")),
    Act("a page for people", raw=_answering(200, "<html>maintenance</html>")),
    Act("an unknown charset", raw=_answering(200, b"\xff\xfe{}", **{"Content-Type": "a/b; charset=x"})),
    Act("nothing", raw=_answering(200, "")),
    Act("3 GB announced", "transactions", raw=_announced_3_gb),
    Act("a body without end", "settlements", raw=_endless_body),
    Act("a gzip bomb", "transactions", raw=_bomb),
    Act("a byte a second", "transactions", raw=_drip),
    Act("cut in the middle", "transactions", raw=_cut),
    Act("pages without end", "transactions", raw=_endless_pages, lies=True),
    Act("to another host", raw=_answering(307, "", Location="http://127.0.0.1:9/cts/party")),
    Act("to itself", raw=_to_itself),
    Act("a header of 100 KB", raw=_answering(200, "{}", **{"X-Long": "a" * 100_000})),
    Act("500", raw=_answering(500, '{"detail": "no"}')),
    Act("429", raw=_answering(429, '{"detail": "slow"}', **{"Retry-After": "1e99"})),
    Act("401", raw=_answering(401, '{"detail": "who?"}')),
    Act("a token that fits no header", "token", _set("access_token", value="a\r\nX: y")),
    Act("2,000 hints", "transactions", raw=_bytes(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * 500, times=4)),
    Act("continue, a thousand times", raw=_bytes(b"HTTP/1.1 100 Continue\r\n\r\n" * 1_000)),
    Act("another protocol from now on", raw=_bytes(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n\x00\x00\x12\x04\x00\x00\x00\x00\x00" + bytes(18))),
    Act("HTTP/2", raw=_bytes(b"\x00\x00\x12\x04\x00\x00\x00\x00\x00" + bytes(18))),
    Act("no protocol", raw=_bytes(b"\xff" * 70_000)),
    Act("a chunk of less than nothing", raw=_bytes(_CHUNKED + b"-5\r\n{}\r\n")),
    Act("a chunk of 2^70 bytes", raw=_bytes(_CHUNKED + b"400000000000000000\r\n{}")),
    Act("a chunk's name of 260 kB", "transactions", raw=_bytes(_CHUNKED + b"2;" + b"x" * 8_000, b"x" * 65_536, times=4)),
    Act("2,000 trailers", "transactions", raw=_bytes(_CHUNKED + b"2\r\n{}\r\n0\r\n", b"X-More: 1\r\n" * 500, times=4)),
    Act("hints without end", "transactions", raw=_endless(b"", b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * 20)),
    Act("a chunk's name without end", "transactions", raw=_endless(_CHUNKED + b"2;", b"x" * 1_024)),
    Act("trailers without end", "transactions", raw=_endless(_CHUNKED + b"2\r\n{}\r\n0\r\n", b"X-More: 1\r\n" * 20)),
    Act("two lengths", raw=_bytes(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 70\r\n\r\n{}")),
    Act("two answers to one question", raw=_bytes(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n[1]")),
    Act("cookies", raw=_answering(500, "{}", **{"Set-Cookie": "a=" + "b" * 4_000 + "; Domain=127.0.0.1; Path=/"})),
    # fields out of all bounds
    Act("a lone surrogate", "transactions", _fills(lambda r: r.update(marketTransactionId="\ud800"))),
    Act("a name of a megabyte", "transactions", _fills(lambda r: r.update(marketTransactionId="x" * 2**20))),
    Act("fills of the year 1", "transactions", _fills(lambda r: _detail(r)["interval"].update(dtStart="0001-01-01T00:00:00Z"))),
    Act("fills off the grid", "transactions", _fills(lambda r: _detail(r)["interval"].update(dtStart="2026-06-01T14:00:01Z"))),
    Act("fills of nothing", "transactions", _fills(lambda r: _detail(r).update(quantity=0))),
    Act("numbers that fall", "transactions", _fills(lambda r: r.update(seq=1))),
    Act("settled in the year 9999", "settlements", _settlements(lambda r: r["interval"].update(dtStart="9999-12-31T23:45:00Z"))),
    Act("calls 999,999 hours ahead", _RULES, _segment(firstCallLead="PT999999H")),
    Act("a guard of 999,999 hours", _RULES, _segment(guard="PT999999H")),
    Act("a gate of 999,999 hours", _RULES, _segment(gateClosureLead="PT999999H")),
    Act("a call each second", _RULES, _segment(callPeriod="PT1S")),
    Act("a call each never", _RULES, _segment(callPeriod="PT0S")),
    Act("lots of nothing", _RULES, _segment(roundLot=0)),
    Act("a floor above the cap", _RULES, _segment(priceFloor=10**8)),
    Act("prices of 10^15", "prices", lambda d: _priced(d, 10**15)),
    Act("a day in the past", "party", _set("serverTime", value="0001-01-01T00:00:00Z")),
    Act("a clock of 1970", "party", _set("serverTime", value="1970-01-01T00:00:00Z")),
    Act("a clock of 2038", "party", _set("serverTime", value="2038-01-19T03:14:08Z")),
    Act("a clock of no day", "party", _set("serverTime", value="2026-02-30T12:00:00Z")),
    Act("a clock 90 s off", "party", _set("serverTime", value="2026-06-01T12:00:00Z")),
    Act("an answer about another tender", "createTender", _set("tenderId", value="x")),
    Act("an order number of a megabyte", "createTender", _set("marketOrderId", value="x" * 2**20)),
    Act("more taken back than was there", "cancelTender", _set("eiCanceledResponse", "remainingQuantity", value=10**18)),
    # well formed, and not true
    Act("fills of no tender", "transactions", _made_up_fill("2026-06-01T15:00:00Z"), lies=True),
    Act("fills of a past interval", "transactions", _made_up_fill("2026-06-01T12:15:00Z"), lies=True),
    Act("fills of the wrong side", "transactions", _fills(lambda r: r["tender"].update(side="BUY")), lies=True),
    Act("fills of five times as much", "transactions", _fills(lambda r: _detail(r).update(quantity=5 * _detail(r)["quantity"])), lies=True),
    Act("fills below the limit", "transactions", _fills(lambda r: _detail(r).update(price=-100_000)), lies=True),
    Act("fills of another interval", "transactions", _fills(lambda r: _detail(r)["interval"].update(dtStart="2026-06-01T18:00:00Z")), lies=True),
    Act("every fill twice", "transactions", _doubled, lies=True),
    Act("fills of the next interval", "transactions", _fills(_later), lies=True),
    Act("numbers of fills that come again", "transactions", _numbers_again(), lies=True),
    Act("wild numbers", "transactions", _fills(lambda r: r.update(seq=r["seq"] + 10**12)), lies=True),
    Act("a tenth is paid", "settlements", _settlements(_scaled(0.1)), lies=True),
    Act("ten times is paid", "settlements", _settlements(_scaled(10)), lies=True),
    Act("settled at a price beyond the cap", "settlements", _settlements(lambda r: r.update(imbalancePrice=10**8)), lies=True),
    Act("settled for another position", "settlements", _settlements(lambda r: r.update(position=r["position"] + 100)), lies=True),
    Act("settled for another meter", "settlements", _settlements(lambda r: r.update(metered=r["metered"] - 400)), lies=True),
    Act("settled twice", "settlements", _twice_settled, lies=True),
    Act("settled anew", "settlements", _settled_anew(), lies=True),
    Act("settled at two prices at once", "settlements", _two_prices, lies=True),
    Act("settled and taken back", "settlements", _only_reversed, lies=True),
    Act("reverses what nobody knows", "settlements", _settlements(lambda r: r.update(reverses="x")), lies=True),
]  # fmt: skip


def _priced(document: Any, ticks: int) -> Any:
    for row in document["prices"]:
        row["price"] = ticks
    return document
