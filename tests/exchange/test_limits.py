"""Too many requests, wrong secrets, keys that are replaced, and requests that are no requests."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import sys
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.clock import SimClock
from gateway.market.signing import read_credential
from simulators.exchange import ExchangeHandle
from simulators.exchange.access import rotate_key
from simulators.exchange.limits import Limits, TokenBuckets, spread
from simulators.exchange.problems import Problem
from tests.exchange.conftest import Wire, play, tender_body
from tests.waiting import HANG_S

FEW = Limits(requests_per_s=0.1, requests_burst=5)
FORM = {"grant_type": "client_credentials"}


def test_a_party_that_asks_too_much_is_told_when_to_come_back(tmp_path: Path) -> None:
    async def story(wire: Wire, clock: SimClock, handle: ExchangeHandle) -> None:
        for _ in range(5):
            assert (await wire.get("party"))[0] == 200
        status, problem, headers = await wire.tender("t1", "SELL", 1_000, 2_000)
        assert (status, problem["title"]) == (429, "too-many-requests")
        assert (await wire.get("party", party="home-2"))[0] == 200  # only who asks too much
        await clock.sleep(int(headers["Retry-After"]))
        status, _, headers = await wire.tender("t1", "SELL", 1_000, 2_000)  # the same key
        assert (status, headers.get("Idempotent-Replayed")) == (201, None)

    play(tmp_path, story, limits=FEW)


def test_guessing_secrets_is_slow_and_shuts_nobody_else_out(tmp_path: Path) -> None:
    async def story(wire: Wire, clock: SimClock, handle: ExchangeHandle) -> None:
        home = read_credential(handle.credential_file("home"))
        other = read_credential(handle.credential_file("home-2"))

        async def login(name: str, secret: str) -> tuple[int, int]:
            headers = {"Authorization": aiohttp.encode_basic_auth(name, secret)}
            url = f"{wire.url}/oauth2/token"
            async with wire.session.post(url, data=FORM, headers=headers) as reply:
                return reply.status, int(reply.headers.get("Retry-After", 0))

        for guess in range(5):
            assert (await login("home", f"guess{guess}"))[0] == 401
        status, wait_s = await login("home", home.client_secret)  # even the right one waits now
        assert status == 429
        assert (await login(other.client_id, other.client_secret))[0] == 200
        await clock.sleep(wait_s)
        assert (await login("home", home.client_secret))[0] == 200

    play(tmp_path, story)


@pytest.mark.usefixtures("each_store")
def test_a_key_is_rotated(tmp_path: Path) -> None:
    """The new key counts at once, the former one for a day, one that kid does not name never."""

    async def story(wire: Wire, clock: SimClock, handle: ExchangeHandle) -> None:
        tls = ssl.create_default_context(cafile=str(handle.ca_file))
        file = handle.credential_file("home")
        old = read_credential(file)

        async def send(name: str, signed: bytes, home: str) -> int:
            secret = read_credential(file).client_secret
            basic = {"Authorization": aiohttp.encode_basic_auth(home, secret)}
            url = f"{handle.url}/oauth2/token"
            async with wire.session.post(url, data=FORM, headers=basic, ssl=tls) as reply:
                token = (await reply.json())["access_token"]
            headers = {
                "Authorization": f"Bearer {token}",
                "Content-Type": "application/jose",
                "Idempotency-Key": name,
            }
            url = f"{handle.url}/cts/createTender"
            async with wire.session.post(url, data=signed, headers=headers, ssl=tls) as reply:
                return reply.status

        def body(name: str) -> bytes:
            start = clock.now() + timedelta(hours=2)
            start -= timedelta(minutes=start.minute % 15, seconds=start.second)
            return json.dumps(tender_body(name, "SELL", 100, 2_000, start=start)).encode()

        assert await send("a", old.sign(body("a"), clock.now()), "home") == 201
        assert rotate_key(handle.market, file.parent, "home") == "home-2"
        new = read_credential(file)
        assert new.client_secret == old.client_secret
        assert await send("b", new.sign(body("b"), clock.now()), "home") == 201
        assert await send("c", old.sign(body("c"), clock.now()), "home") == 201
        head = old.sign(body("d"), clock.now()).split(b".")[0]  # the kid of one key,
        _, *rest = new.sign(body("d"), clock.now()).split(b".")  # the signature of the other
        assert await send("d", b".".join([head, *rest]), "home") == 401
        await clock.sleep(25 * 3600)
        assert await send("e", old.sign(body("e"), clock.now()), "home") == 401
        assert await send("e", new.sign(body("e"), clock.now()), "home") == 201

    play(tmp_path, story, insecure=False)


@pytest.mark.parametrize(
    ("path", "headers", "body"),
    [
        ("/cts/party", b"Authorization: Bearer \xc3\xa9\xff", b""),
        ("/cts/party", b"Authorization: B\xc3\xa4rer x", b""),
        ("/oauth2/token", b"Authorization: Basic \xff\xfe", b"grant_type=client_credentials"),
        ("/oauth2/token", b"Content-Type: multipart/form-data", b"x"),
        ("/oauth2/token", b"Content-Type: multipart/form-data; boundary=a", b"--a\r\nx"),
        (
            "/oauth2/token",
            b"Content-Type: application/x-www-form-urlencoded; charset=martian",
            b"grant_type=client_credentials",
        ),
        (
            "/oauth2/token",
            b"Content-Type: application/x-www-form-urlencoded",
            b"grant_type=\xff\xfe%ff",
        ),
        (
            "/cts/createTender",
            b"Authorization: Bearer insecure:home\r\nIdempotency-Key: \xff\xfe",
            b"{}",
        ),
        (
            "/cts/createTender",
            b"Authorization: Bearer insecure:home\r\nIdempotency-Key: k\r\nContent-Type: application/jose",
            b"W1tb" * 40_000 + b".e30.AA",
        ),
    ],
)
def test_what_is_no_request_is_refused_in_words(
    tmp_path: Path, path: str, headers: bytes, body: bytes
) -> None:
    """Bytes that no HTTP library would send: 4xx as problem+json, never a 500."""

    async def story(wire: Wire, clock: SimClock, handle: ExchangeHandle) -> None:
        method = b"POST" if body else b"GET"
        sent = method + b" " + path.encode() + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        sent += headers + b"\r\nContent-Length: %d\r\n\r\n" % len(body) + body
        answer = await _raw(urlsplit(wire.url).port or 0, sent)
        status = int(answer.split(b" ")[1])
        assert 400 <= status < 500, answer
        assert b"application/problem+json" in answer

    play(tmp_path, story)


def test_strangers_fill_neither_the_log_nor_the_memory(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """No HTTP, a body that never ends, a client that goes in the middle of its own: refused or forgotten, not written down."""

    async def story(wire: Wire, clock: SimClock, handle: ExchangeHandle) -> None:
        port = urlsplit(wire.url).port or 0
        assert b" 400 " in await _raw(port, b"GET /cts/party HTTP/1.1\r\n\r\n")
        head = b"POST /oauth2/token HTTP/1.1\r\nHost: x\r\n"
        endless = head + b"Transfer-Encoding: chunked\r\n\r\n80000\r\n" + b"x" * 270_000
        assert b" 413 " in await _first_line(port, endless)  # before half of what it announced
        announced = head + b"Content-Length: 999999999\r\n\r\n"
        assert b" 413 " in await _first_line(port, announced)
        _reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head + b"Content-Length: 9\r\n\r\nx")
        writer.transport.abort()
        assert (await wire.get("party"))[0] == 200

    play(tmp_path, story)
    assert [r for r in caplog.records if r.name.startswith(("aiohttp", "simulators"))] == []


async def _first_line(port: int, sent: bytes) -> bytes:
    """Of the answer to a request that is not over."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, family=socket.AF_INET)
    writer.write(sent)
    line = await reader.readline()
    writer.close()
    return line


async def _many(state: Path, count: int) -> None:
    command = "from simulators.cli import main; main()"
    words = "exchange --port 0 --insecure --no-participants --state"
    process = await asyncio.create_subprocess_exec(
        *("sh", "-c", f'ulimit -Sn 64; exec "$0" -c "$1" {words} "$2"'),
        *(sys.executable, command, str(state)),
        stdout=asyncio.subprocess.PIPE,
    )
    writers: list[asyncio.StreamWriter] = []
    try:
        assert process.stdout is not None
        url = (await process.stdout.readline()).decode().split()[1]
        asked = b"GET /cts/party HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer insecure:home\r\n\r\n"
        for _ in range(count):
            port = urlsplit(url).port
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writers.append(writer)
            writer.write(asked)
            assert b" 200 " in await reader.readline()
    finally:
        for writer in writers:
            writer.close()
        process.kill()
        await process.communicate()


def test_more_homes_keep_a_connection_than_a_process_has_files_at_first(tmp_path: Path) -> None:
    """The usual limit is 1,024; here it is 64."""
    asyncio.run(asyncio.wait_for(_many(tmp_path, 100), HANG_S))


async def _raw(port: int, sent: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, family=socket.AF_INET)
    writer.write(sent)
    answer = await reader.read()
    writer.close()
    return answer


@given(st.lists(st.floats(0, 100), max_size=60), st.integers(1, 10), st.floats(0.01, 10))
def test_a_bucket_never_gives_more_than_it_may(
    waits: list[float], burst: int, per_s: float
) -> None:
    now = [0.0]
    buckets = TokenBuckets(per_s, burst, lambda: now[0])
    given_s: list[float] = []
    for wait in waits:
        now[0] += wait
        try:
            buckets.take("a")
        except Problem as problem:
            now[0] += problem.retry_after_s or 0
            buckets.take("a")  # after the time that was named it is let in
        given_s.append(now[0])
    for first in range(len(given_s)):
        for last in range(first, len(given_s)):
            span = given_s[last] - given_s[first]
            assert last - first + 1 <= burst + span * per_s + 1e-6


def test_who_was_refused_together_does_not_come_back_together() -> None:
    waits = {spread(60, f"home-{n}") for n in range(100)}
    assert min(waits) >= 60
    assert len(waits) > 15
