"""A day's events at a VTN that nobody here wrote: openleadr-vtn on PostgreSQL, where it is installed.

`cargo install openleadr-vtn --version 0.2.8 --features internal-oauth` makes it, and its tables need PostgreSQL 16; without it on the PATH, or with
an older server (HEG_POSTGRES names another one's folder of programs), these tests are skipped.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import os
import shutil
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.clock import SimClock
from gateway.domain.intervals import QUARTER, floor_quarter, iso, quarter_of
from gateway.errors import FeedError
from gateway.feeds import FeedAccess, open_feed
from gateway.feeds.ask import asked
from gateway.openadr.acting import RENEWED, SILENCE
from tests import loops
from tests.devices.test_simulated_families import simulated
from tests.exchange.servers import free_ports, postgres
from tests.feeds.server import http_ask
from tests.openadr.homes import Home, import_w, meter, opened
from tests.openadr.vtn import CLIENT, SECRET, SmallVtn
from tests.waiting import HANG_S

PROGRAM = shutil.which("openleadr-vtn")
pytestmark = pytest.mark.skipif(PROGRAM is None, reason="no openleadr-vtn on the PATH")
KEY = b"a key of the tests, and of nothing else!"
LEAST_POSTGRES = 16
BUSINESS = ["read_all", "write_programs", "write_events", "write_vens_bl", "write_users"]
VEN = ["read_targets", "read_ven_objects", "write_reports", "write_vens_ven"]


@dataclass
class Business:
    """Whoever runs the programme: makes and deletes objects by the standard's paths."""

    url: str
    session: aiohttp.ClientSession

    async def make(self, path: str, document: dict[str, Any]) -> dict[str, Any]:
        async with self.session.post(f"{self.url}/{path}", json=document) as reply:
            assert reply.status in (200, 201), await reply.text()
            made: dict[str, Any] = await reply.json()
            return made

    async def change(self, path: str, document: dict[str, Any]) -> None:
        async with self.session.put(f"{self.url}/{path}", json=document) as reply:
            assert reply.status == 200, await reply.text()

    async def delete(self, path: str) -> None:
        async with self.session.delete(f"{self.url}/{path}") as reply:
            assert reply.status == 200, await reply.text()

    async def all(self, path: str) -> list[dict[str, Any]]:
        async with self.session.get(f"{self.url}/{path}") as reply:
            assert reply.status == 200, await reply.text()
            found: list[dict[str, Any]] = await reply.json()
            return found


def _token() -> str:
    """As the VTN's own authority signs them (HS256), for whoever runs it."""
    claims = {"sub": "business", "exp": int(time.time()) + 3600, "roles": BUSINESS}
    parts = [
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=")
        for part in ({"alg": "HS256", "typ": "JWT"}, claims)
    ]
    signed = hmac.digest(KEY, b".".join(parts), hashlib.sha256)
    return b".".join([*parts, base64.urlsafe_b64encode(signed).rstrip(b"=")]).decode()


@asynccontextmanager
async def real_vtn(folder: Path) -> AsyncIterator[Business]:
    """It runs on a database of its own, with a client for the home."""
    assert PROGRAM is not None
    server = postgres()
    if server.version < LEAST_POSTGRES:
        pytest.skip(f"PostgreSQL {server.version} is too old for openleadr-vtn")
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    environment = {
        "PATH": os.environ["PATH"],
        "DATABASE_URL": server.database(),
        "PORT": str(port),
        "RUST_LOG": "info",
        "OAUTH_BASE64_SECRET": base64.b64encode(KEY).decode(),
        "OAUTH_TOKEN_URL": f"{url}/auth/token",
    }
    log = (folder / "vtn.log").open("wb")
    process = await asyncio.create_subprocess_exec(
        "setpriv", "--pdeathsig", "KILL", PROGRAM, cwd=folder, env=environment, stdout=log, stderr=log
    )  # fmt: skip
    log.close()
    headers = {"Authorization": f"Bearer {_token()}"}
    try:
        async with aiohttp.ClientSession(headers=headers) as session:
            await _listens(session, url, process)
            business = Business(url, session)
            user = await business.make(
                "users", {"reference": "home", "description": None, "scope": VEN}
            )
            secret = {"client_id": CLIENT, "client_secret": SECRET}
            await business.make(f"users/{user['id']}", secret)
            yield business
    finally:
        process.terminate()
        await process.wait()


async def _listens(
    session: aiohttp.ClientSession, url: str, process: asyncio.subprocess.Process
) -> None:
    async with asyncio.timeout(HANG_S):
        while True:
            assert process.returncode is None, "openleadr-vtn ended at once"
            try:
                async with session.get(f"{url}/health") as reply:
                    if reply.status == 200:
                        return
            except aiohttp.ClientConnectionError:
                await asyncio.sleep(0.05)


def a_day(folder: Path, play: Callable[[Business, Home, str], Awaitable[None]]) -> None:
    """``play`` with the programme's id, from the next full quarter-hour of the machine's time on: what happens 'now' does so by the VTN's clock."""
    clock = SimClock(floor_quarter(datetime.now(UTC)) + QUARTER)

    async def run() -> None:
        loops.others()
        async with real_vtn(folder) as business:
            program = await business.make(
                "programs",
                {
                    "programName": "home-flex",
                    "payloadDescriptors": [
                        {"objectType": "EVENT_PAYLOAD_DESCRIPTOR", "payloadType": kind, "units": "KW"}
                        for kind in ("IMPORT_CAPACITY_LIMIT", "EXPORT_CAPACITY_LIMIT", "DISPATCH_SETPOINT")
                    ],
                },
            )  # fmt: skip
            home = opened(SmallVtn(business.url), clock, folder, credit_per_kwh="1")
            try:
                await play(business, home, program["id"])
            finally:
                await home.close()

    simulated(clock, run())


def event(
    program: str,
    name: str,
    start: datetime | None,
    length: str,
    *values: dict[str, Any],
    **more: Any,
) -> dict[str, Any]:
    """One interval for each of ``values``, which has numbers by kind."""
    begin = "0001-01-01T00:00:00Z" if start is None else iso(start)
    return {
        "programID": program,
        "eventName": name,
        "priority": None,
        "intervalPeriod": {"start": begin, "duration": length},
        "intervals": [
            {"id": n, "payloads": [{"type": k, "values": [v]} for k, v in each.items()]}
            for n, each in enumerate(values)
        ],
    } | more


def test_limits_overlap_cancellation_and_now(tmp_path: Path) -> None:
    async def play(business: Business, home: Home, program: str) -> None:
        start = home.clock.now()
        assert import_w(await home.look()) is None

        async def limit(name: str, kw: float, at: datetime | None, length: str, **more: Any) -> str:
            said = event(program, name, at, length, {"IMPORT_CAPACITY_LIMIT": kw}, **more)
            made = await business.make("events", said)
            return str(made["id"])

        wide = await limit("wide", 6.5, start, "PT2H", priority=5)
        assert import_w(await home.look(1)) == 6_500
        urgent = await limit("urgent", 2, start, "PT30M", priority=0)
        assert import_w(await home.look(1)) == 2_000
        assert import_w(await home.look(30)) == 6_500
        await business.delete(f"events/{wide}")
        assert import_w(await home.look(1)) is None
        nothing = event(program, "urgent", None, "PT0S", {"IMPORT_CAPACITY_LIMIT": 2}, priority=0)
        later = await limit("later", 3, start + timedelta(hours=3), "PT1H")
        assert import_w(await home.look(150)) == 3_000
        await business.change(f"events/{later}", nothing)
        await business.change(f"events/{urgent}", nothing)
        assert import_w(await home.look(1)) is None
        await limit("until further notice", 4, None, "P9999Y")
        order = await home.look(1)
        assert import_w(order) == 4_000
        assert order.operator
        (until,) = {c.until for c in order.operator.commands if c.limit_w}
        assert until is not None
        assert SILENCE <= until - home.clock.now() <= SILENCE + RENEWED

    a_day(tmp_path, play)


def test_a_dispatch_its_credit_and_the_report_that_it_asks_for(tmp_path: Path) -> None:
    async def play(business: Business, home: Home, program: str) -> None:
        start = quarter_of(home.clock.now()).start
        for day in range(12, 0, -1):
            for n in range(2):
                meter(home, start - timedelta(days=day) + n * QUARTER, -300)
        wanted = [{"payloadType": kind} for kind in ("USAGE", "BASELINE")]
        said = event(
            program, "called", start, "PT30M", {"DISPATCH_SETPOINT": -2}, reportDescriptors=wanted
        )
        made = await business.make("events", said)
        order = await home.look()
        assert [t.position_wh for t in order.terms] == [500, 500]
        for n in range(2):
            await home.look(14)
            meter(home, start + n * QUARTER, 500)
            await home.look(1)
        paid = [body["paid_wh"] for body in home.journal.book.credits.values()]
        assert paid == [800, 800]
        (report,) = await business.all("reports")
        assert report["eventID"] == made["id"]
        (interval,) = report["resources"][0]["intervals"]
        told = {p["type"]: p["values"] for p in interval["payloads"]}
        assert told == {"USAGE": [-1.0], "BASELINE": [0.6]}

    a_day(tmp_path, play)


def test_its_prices_are_a_feed(tmp_path: Path) -> None:
    async def play(business: Business, home: Home, program: str) -> None:
        start = floor_quarter(home.clock.now())
        access = FeedAccess(
            "bought",
            url=business.url,
            key=json.dumps({"client_id": CLIENT, "client_secret": SECRET}),
        )
        async with http_ask(SECRET) as ask:
            with pytest.raises(FeedError, match="no event with PRICE"):
                await asked(open_feed("openadr", access), ask, start, start + timedelta(days=2))
            said = [
                {
                    "objectType": "EVENT_PAYLOAD_DESCRIPTOR",
                    "payloadType": "PRICE",
                    "units": "KWH",
                    "currency": "USD",
                }
            ]
            hours = [{"PRICE": round(0.1 + hour / 100, 2)} for hour in range(24)]
            await business.make(
                "events", event(program, "prices", start, "PT1H", *hours, payloadDescriptors=said)
            )
            answer = await asked(
                open_feed("openadr", access), ask, start, start + timedelta(days=2)
            )
        assert answer.currency == "USD"
        assert [float(row.per_kwh) for row in answer.rows] == [hour["PRICE"] for hour in hours]
        assert answer.rows[-1].span.end == start + timedelta(days=1)

    a_day(tmp_path, play)
