"""Every provider's recorded answer, bent by seed: numbers that are none, times that cannot be, cut, pages for people.

What comes of it are prices of the asked days that are finite, or one FeedError in one short printable line without the key.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from datetime import timedelta

import pytest
from aiohttp import web

from gateway.clock import SimClock
from gateway.errors import FeedError
from gateway.feeds import open_feed
from gateway.feeds.keeper import FeedKeeper, FeedPrices, Terms
from tests.feeds.server import http_ask, provider
from tests.feeds.test_formats import CASES, END, IDS, KEY, START, Case, access

BENT = 40
NUMBER = re.compile(rb"(?<![\w\-:.])-?\d+(?:\.\d+)?(?![\w\-:])")
TIME = re.compile(rb"\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:?\d\d)?")
NUMBERS = [
    b"NaN", b"Infinity", b"-Infinity", b'"NaN"', b'"Infinity"', b"1e308", b"1e-400", b"-0.0", b'"x"', b"null", b"true", b"[]", b"{}", b"9" * 30, b'"1e9"', b"-1e9",
]  # fmt: skip
TIMES = [
    b"9999-12-31T23:59:59Z", b"9999-12-31T23:59:59-14:00", b"0001-01-01T00:00:00+14:00", b"2025-10-15T00:00:00Z", b"2025-13-45T99:00:00Z", b"2025-10-15",
]  # fmt: skip
OTHERS = [
    b"<html><body>Log in</body></html>", b"", b"[]", b"{}", b"null", b"0", b'"', b"[" * 100_000, b"\xff\xfe", b"PK\x03\x04" + b"0" * 50, b'{"data":' * 5_000, b"\xef\xbb\xbf",
]  # fmt: skip


class Nothing:
    """A store that keeps nothing."""

    def setting(self, name: str, value: str | None = None) -> str | None:
        return None


def bent(raw: bytes, rng: random.Random) -> bytes:
    kind = rng.choice(["number", "number", "time", "time", "cut", "byte", "other"])
    if kind == "number":
        return replaced(raw, NUMBER, NUMBERS, rng)
    if kind == "time":
        return replaced(raw, TIME, TIMES, rng)
    at = rng.randrange(len(raw) + 1)
    if kind == "cut":
        return raw[:at]
    return (
        raw[:at] + bytes((rng.randrange(256),)) + raw[at + 1 :]
        if kind == "byte"
        else rng.choice(OTHERS)
    )


def replaced(raw: bytes, what: re.Pattern[bytes], by: Sequence[bytes], rng: random.Random) -> bytes:
    """One of them, three or all."""
    found = list(what.finditer(raw))
    for one in sorted(
        rng.sample(found, min(len(found), rng.choice([1, 3, 10_000]))), key=lambda m: -m.start()
    ):
        raw = raw[: one.start()] + rng.choice(by) + raw[one.end() :]
    return raw


@pytest.mark.parametrize("case", CASES, ids=IDS)
async def test_no_price_is_made_of_nonsense(case: Case) -> None:
    rng = random.Random(case.provider)
    turns, said = 0, list[str]()

    async def handler(request: web.Request) -> web.StreamResponse:
        nonlocal turns
        turns += 1
        good = await case.handler(request)
        assert isinstance(good, web.Response)
        body = good.body if isinstance(good.body, bytes) else b""
        if "token" in request.path:
            return good
        return web.Response(
            body=bent(body, rng), content_type=good.content_type, status=good.status
        )

    clock = SimClock(START + timedelta(hours=1))
    currency = "EUR" if case.currency == "gCO2" else case.currency
    async with provider(handler) as server, http_ask(KEY) as ask:
        for _ in range(BENT):
            feed, changed = open_feed(case.provider, access(case, server.url)), list[FeedPrices]()
            keeper = FeedKeeper(feed, ask, Terms("f", currency), Nothing(), clock, changed.append)
            try:
                await keeper.refresh(clock.now())
            except FeedError as error:
                said.append(str(error))
            for at, price in (*keeper.known.prices.items(), *keeper.known.forecast.items()):
                assert START - timedelta(days=9) <= at <= END + timedelta(days=5)
                assert price.is_finite()
    assert turns >= BENT
    wrong = [line for line in said if KEY in line or not line.isprintable() or len(line) >= 500]
    assert said
    assert not wrong
