"""What guests of the page do who mean harm, by name."""

from __future__ import annotations

import asyncio
import json
import socket
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import aiohttp

from tests.dashboard.homes import NOW
from tests.hostile.page_stage import (
    BAD,
    BOMBS,
    FORM,
    PASSWORD,
    Act,
    Stage,
)


async def idle(stage: Stage) -> None:
    for _ in range(300):
        await stage.connect()


async def idle_from_everywhere(stage: Stage) -> None:
    for last in range(2, 8):
        for _ in range(70):
            await stage.connect(f"127.0.0.{last}")


async def slow_headers(stage: Stage) -> None:
    for _ in range(80):
        _, writer = await stage.connect()
        writer.write(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-")


async def slow_bodies(stage: Stage) -> None:
    for _ in range(20):
        await stage.request("POST", "/login", b"p", Content_Type=FORM, Content_Length="1000")
    assert set(stage.statuses) == {408}


async def endless_body(stage: Stage) -> None:
    _, writer = await stage.connect()
    writer.write(b"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n")
    chunk = b"10000\r\n" + bytes(65536) + b"\r\n"
    with suppress(ConnectionError):
        for _ in range(1000):
            writer.write(chunk)
            await writer.drain()


async def bombs(stage: Stage) -> None:
    for how, packed in BOMBS.items():
        for path, kind in (("/login", FORM), ("/api/command/trading", "application/json")):
            await stage.request("POST", path, packed, Content_Encoding=how, Content_Type=kind)


async def guesses_at_once(stage: Stage) -> None:
    body = b"password=guess"
    ask = stage.request
    await asyncio.gather(*(ask("POST", "/login", body, Content_Type=FORM) for _ in range(60)))
    await asyncio.gather(*(ask("POST", "/login", body, Content_Type=FORM) for _ in range(40)))
    assert stage.statuses.count(303) == 5, "five are looked at"
    assert stage.statuses.count(429) == 95


async def basic_headers(stage: Stage) -> None:
    for text in (
        "Basic \xff\xfe",
        "Basic !!!",
        "Basic",
        "basic \xe9\xe9",
        "Basic " + "A" * 5000,
        "Basic gICA",
    ):
        await stage.request("GET", "/metrics", Authorization=text, Cookie="")
    assert set(stage.statuses) == {401}


async def odd_forms(stage: Stage) -> None:
    for kind in (
        "multipart/form-data", "multipart/form-data; boundary=", "text/html; charset=nonsense",
        f"{FORM}; charset=nonsense", f"{FORM}; charset=\xff", ";;;", "\xff", "a/b/c; =",
    ):  # fmt: skip
        for body in (b"password=x", b"\xff\xfe=%ff&;;&=", b"&" * 5000):
            await stage.request("POST", "/login", body, Content_Type=kind)


async def odd_commands(stage: Stage) -> None:
    kind = "application/json; charset=nonsense"
    for body in (b"[" * 15_000, b'{"id":"\\ud800"}', b"\xff", b"9" * 15_000, b""):
        for name in ("trading", "%0a%1b[2J", "..%2f..", "x" * 4000, "%ff%00"):
            await stage.request("POST", f"/api/command/{name}", body, Content_Type=kind)


async def garbage(stage: Stage) -> None:
    for data in (
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500), b"\x00" * 5000, b"GET\r\n\r\n",
        b"\r\n" * 3000, b"GET / HTTP/9.9\r\n\r\n", b"GET / HTTP/1.1\r\n: x\r\n\r\n", b"x" * 200_000,
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n" + b"A: b\r\n" * 3000 + b"\r\n",
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nA: " + b"b" * 200_000 + b"\r\n\r\n",
        b"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -1\r\n\r\n",
        b"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9999999999999999999999\r\n\r\n",
        b"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\nZZZ\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ):  # fmt: skip
        await stage.say(data)


async def odd_hosts(stage: Stage) -> None:
    for host in (
        "[",
        "a:b:c",
        "\x1b[31m",
        "",
        "x" * 7000,
        "127.0.0.1:99999999",
        "\xff",
        "[::1",
        "%",
    ):
        await stage.request("GET", "/", Host=host)


async def odd_paths(stage: Stage) -> None:
    for path in (
        "//", "/static/..%2f..%2fserver.py", "/static/%00", "/static/\\..\\x", "*", "/?" + "a=1&" * 1500,
        "http://127.0.0.1/", "/static/%ff", "/%", "/api/live#x", "/static/" + "x" * 7000, "/;;;",
    ):  # fmt: skip
        await stage.request("GET", path)


async def odd_methods(stage: Stage) -> None:
    for method in ("TRACE", "OPTIONS", "PUT", "DELETE", "PATCH", "PROPFIND", "X" * 100, "HEAD"):
        for path in ("/", "/login", "/events", "/api/live", "/metrics"):
            await stage.request(method, path, Cookie="")


async def upgrades(stage: Stage) -> None:
    for what in ("websocket", "h2c", "TLS/1.0"):
        for path in ("/", "/login", "/api/live"):
            await stage.request("GET", path, Upgrade=what, Connection="Upgrade", Expect="200-maybe")


async def many_commands(stage: Stage) -> None:
    for n in range(200):
        body = json.dumps({"id": f"m{n}", "ts": NOW.isoformat(), "value": n % 2 == 0}).encode()
        await stage.request(
            "POST", "/api/command/charge_now", body, Content_Type="application/json"
        )


async def a_long_pipeline(stage: Stage) -> None:
    await stage.say(b"GET /login HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 2000)


async def answers_that_nobody_reads(stage: Stage) -> None:
    ask = f"GET /static/uPlot.iife.min.js HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: {stage.cookie}\r\n\r\n"
    for _ in range(30):
        _, writer = await stage.connect()
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(ask.encode() * 200)


async def frozen_streams(stage: Stage) -> None:
    """Twelve pages whose computer was put to sleep while the home goes on."""
    ask = f"GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: {stage.cookie}\r\n\r\n".encode()
    for _ in range(12):
        link = socket.socket()
        link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        link.bind((BAD, 0))
        link.connect(("127.0.0.1", stage.dashboard.port))
        link.setblocking(False)
        _, writer = await asyncio.open_connection(sock=link)
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(ask)
        stage.open.append(writer)
    while not stage.dashboard._streams:
        await asyncio.sleep(0.1)
    while stage.dashboard._streams:
        assert stage.source.now is not None
        later = stage.source.now.time + timedelta(seconds=61)
        stage.source.now = replace(stage.source.now, time=later)
        await asyncio.sleep(1)


async def smuggled(stage: Stage) -> None:
    """A second request hidden in the first: never answered as if its sender were logged in."""
    head = b"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    hidden = b"GET /api/live HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    for lines in (
        b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n",
        b"Content-Length: 0\r\nContent-Length: 60\r\n\r\n",
        b"Content-Length: +0\r\n\r\n",
        b"Content-Length: 0\r\n\tCookie: x\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n0;" + b"x" * 9_000 + b"\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
    ):
        assert b"grid_w" not in await stage.say(head + lines + hidden), lines


async def traversal(stage: Stage) -> None:
    """No file but the page's own is read, however its path is spelled."""
    for up in (
        "../",
        "..%2f",
        "%2e%2e/",
        "..\\",
        "%2e%2e%5c",
        "....//",
        "..%252f",
        "..%c0%af",
        "\x00../",
    ):
        for start in ("/static/", "/", "/.well-known/"):
            for file in ("etc/passwd", "server.py", "password"):
                path = f"{start}{up * 6}{file}"
                answer = await stage.say(
                    f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: {stage.cookie}\r\n"
                    "Connection: close\r\n\r\n".encode("latin-1")
                )
                assert b"root:" not in answer
                assert b"scrypt" not in answer
                assert b"import" not in answer


async def logins_at_once(stage: Stage) -> None:
    """Right ones, from a browser that sends its form again and again: sessions do not grow without end."""
    base = f"http://127.0.0.1:{stage.dashboard.port}"

    async def one() -> None:
        async with aiohttp.ClientSession() as client:
            await client.post(f"{base}/login", data={"password": PASSWORD}, allow_redirects=False)

    for _ in range(4):
        await asyncio.gather(*(one() for _ in range(30)))
    assert len(stage.dashboard._access._sessions) <= 50


async def sessions_made_elsewhere(stage: Stage) -> None:
    """A cookie that somebody chose before the login, or guessed, opens nothing."""
    for token in (
        "",
        "x",
        "a" * 43,
        "None",
        "basic-" + "0" * 64,
        "; energy_gateway_session=",
        "\x00",
    ):
        cookie = f"energy_gateway_session={token}"
        head = f"GET /api/live HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: {cookie}\r\nConnection: close\r\n\r\n"
        answer = await stage.say(head.encode("latin-1"))
        assert b"grid_w" not in answer, token
    await stage.request("GET", "/api/live", Cookie="; ".join(f"c{n}=1" for n in range(500)))


async def socket_frames(stage: Stage) -> None:
    """An upgrade that is not there, and its frames all the same."""
    frames = b"\x81\x85\x01\x02\x03\x04hello" * 500 + b"\x81\xff" + b"\xff" * 8
    for path in ("/", "/events", "/api/live"):
        await stage.say(
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade, close\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
            + frames
        )


async def odd_streams(stage: Stage) -> None:
    """Event streams with headers of another world, dropped at once."""
    for header in (
        "Last-Event-ID: " + "9" * 5_000,
        "Accept: text/plain;q=abc",
        "Range: bytes=0-0,1-1",
    ):
        for _ in range(30):
            _, writer = await stage.connect()
            writer.write(
                f"GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: {stage.cookie}\r\n{header}\r\n\r\n".encode()
            )
            await writer.drain()
            writer.transport.abort()


async def ranges_and_dates(stage: Stage) -> None:
    for header, value in (
        ("Range", "bytes=" + ",".join(f"{n}-{n}" for n in range(500))),
        ("Range", "bytes=99999999999999999999-"),
        ("If-Modified-Since", "Mon, 31 Feb 99999 25:61:61 GMT"),
        ("If-None-Match", '"' + "x" * 6_000),
        ("Accept-Encoding", "gzip;q=nan, " * 200),
        ("Accept-Language", "\x1b[31m"),
    ):
        for path in ("/static/app.js", "/api/day", "/.well-known/security.txt"):
            await stage.request("GET", path, **{header.replace("-", "_"): value})


async def commands_that_poison(stage: Stage) -> None:
    """Names and values made for a log, a file or a page."""
    for name in ("battery%0a", "%1b%5b2J", "..%2f..%2f", "__class__", "battery/result", "%00"):
        for value in (
            '"hold\\n[mqtt]"',
            '{"__proto__": {"x": 1}}',
            "1e999",
            "-0",
            '"<script>"',
            "[" * 900,
        ):
            body = f'{{"id": "p", "ts": "{NOW.isoformat()}", "value": {value}}}'.encode()
            await stage.request(
                "POST", f"/api/command/{name}", body, Content_Type="application/json"
            )


async def other_origins(stage: Stage) -> None:
    """What a web page elsewhere can have a browser send: nothing is carried out."""
    body = json.dumps({"id": "o", "ts": NOW.isoformat(), "value": False}).encode()
    before = stage.source.now
    for headers in (
        {"Origin": "http://evil.example"}, {"Origin": "null"}, {"Origin": "http://127.0.0.1.evil.example"},
        {"Sec_Fetch_Site": "cross-site"}, {"Origin": "http://127.0.0.1:1"}, {"Origin": "file://"},
    ):  # fmt: skip
        await stage.request(
            "POST", "/api/command/trading", body, Content_Type="application/json", **headers
        )
    assert set(stage.statuses) == {403}
    assert stage.source.now is before


ACTS: list[Act] = [
    smuggled, traversal, logins_at_once, sessions_made_elsewhere, socket_frames, odd_streams,
    ranges_and_dates, commands_that_poison, other_origins,
    idle, idle_from_everywhere, slow_headers, slow_bodies, endless_body, bombs, guesses_at_once,
    basic_headers, odd_forms, odd_commands, garbage, odd_hosts, odd_paths, odd_methods, upgrades,
    many_commands, a_long_pipeline, answers_that_nobody_reads, frozen_streams,
]  # fmt: skip
