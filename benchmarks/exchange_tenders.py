"""Accepted signed tenders per second, against a bare endpoint: verify and group commit alone.

    python -m benchmarks.exchange_tenders [--tenders 4000]

Both servers run in a process of their own, get the same signed requests from the same client over
plain HTTP on loopback, check every Ed25519 signature and commit every request durably (SQLite, WAL,
synchronous FULL) before they answer, all that came since the last commit at once, in a thread. The
bare one does nothing else. Target: at least 0.8 of it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import sqlite3
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from multiprocessing.connection import Connection
from pathlib import Path

from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from gateway.clock import WallClock
from gateway.domain.intervals import floor_quarter, iso
from gateway.market.signing import read_credential
from simulators.exchange import Party, start_exchange
from simulators.exchange.jose import from64, split
from simulators.exchange.limits import Limits
from simulators.exchange.start import settle_memory
from simulators.prices import SyntheticPrices

CONNECTIONS = 16
HOMES = 50


async def serve_exchange(state: Path, pipe: Connection) -> None:
    parties = [Party(f"home-{n}", "home", 1_000_000_000) for n in range(HOMES)]
    async with asyncio.TaskGroup() as group:
        handle = await start_exchange(
            WallClock(),
            group,
            state,
            SyntheticPrices(1),
            parties=parties,
            limits=Limits(requests_per_s=1e6, requests_burst=10**6),
        )
        settle_memory()  # as `energy-sim exchange` does
        pipe.send(handle.url)
        began = time.process_time()
        await asyncio.to_thread(pipe.recv)
        pipe.send(time.process_time() - began)
        await handle.close()


async def serve_bare(state: Path, pipe: Connection) -> None:
    credentials = (state.parent / "exchange" / "credentials").glob("*.json")
    keys = {
        f.stem: Ed25519PublicKey.from_public_bytes(
            from64(json.loads(f.read_text())["jwk"]["x"].encode())
        )
        for f in credentials
    }
    db = sqlite3.connect(state.with_suffix(".db"), isolation_level=None, check_same_thread=False)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=FULL")
    db.execute("CREATE TABLE document (id INTEGER PRIMARY KEY, party TEXT, body BLOB) STRICT")

    loop, waiting, free = asyncio.get_running_loop(), list[tuple[str, bytes]](), asyncio.Lock()

    def commit(rows: list[tuple[str, bytes]]) -> None:
        db.execute("BEGIN IMMEDIATE")
        db.executemany("INSERT INTO document (party, body) VALUES (?, ?)", rows)
        db.execute("COMMIT")

    async def take(request: web.Request) -> web.Response:
        party, body = request.headers["X-Party"], await request.read()
        _header, payload, signature, said = split(body)
        keys[party].verify(signature, said)
        mine = (party, payload)
        waiting.append(mine)
        async with free:
            if mine in waiting:  # nobody has taken it along
                rows = waiting.copy()
                waiting.clear()
                await loop.run_in_executor(None, commit, rows)
        return web.json_response({"accepted": True}, status=201)

    app = web.Application()
    app.router.add_post("/cts/createTender", take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    settle_memory()
    pipe.send(f"http://127.0.0.1:{runner.addresses[0][1]}")
    began = time.process_time()
    await asyncio.to_thread(pipe.recv)
    pipe.send(time.process_time() - began)
    await runner.cleanup()


def run(
    serve: Callable[[Path, Connection], Awaitable[None]], state: Path, pipe: Connection
) -> None:
    asyncio.run(serve(state, pipe))  # type: ignore[arg-type]


def requests(state: Path, tenders: int, now: datetime) -> list[bytes]:
    """Whole HTTP requests, signed and ready to send."""
    made = []
    first = floor_quarter(now) + timedelta(hours=2)
    credentials = [read_credential(state / "credentials" / f"home-{n}.json") for n in range(HOMES)]
    for n in range(tenders):
        home = credentials[n % HOMES]
        start = first + n // HOMES % 80 * timedelta(minutes=15)
        document = {
            "requestId": f"r{n}",
            "partyId": home.client_id,
            "marketId": "charging-network",
            "segmentId": "LZ_SOUTH",
            "tender": {
                "tenderId": f"t{n}",
                "side": "SELL",
                "expirationTime": iso(start),
                "tenderDetail": {
                    "interval": {"dtStart": iso(start), "duration": "PT15M"},
                    "price": 3_000 + n % 4_000,
                    "quantity": 1_000,
                },
            },
        }
        body = home.sign(json.dumps(document).encode(), now)
        head = (
            "POST /cts/createTender HTTP/1.1\r\nHost: exchange\r\n"
            f"Authorization: Bearer insecure:{home.client_id}\r\nX-Party: {home.client_id}\r\n"
            f"Idempotency-Key: t{n}\r\nContent-Type: application/jose\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        made.append(head.encode() + body)
    return made


async def drive(url: str, work: list[bytes]) -> float:
    """Requests per second over some connections; every answer must be 201."""
    host, port = url.removeprefix("http://").split(":")

    async def one(part: list[bytes]) -> None:
        reader, writer = await asyncio.open_connection(host, int(port))
        for request in part:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
            body = await reader.readexactly(length)
            if b" 201 " not in head.split(b"\r\n")[0]:
                raise SystemExit(f"refused: {body!r}")
        writer.close()
        await writer.wait_closed()

    start = time.perf_counter()
    await asyncio.gather(*(one(work[n::CONNECTIONS]) for n in range(CONNECTIONS)))
    return len(work) / (time.perf_counter() - start)


def measure(
    serve: Callable[[Path, Connection], Awaitable[None]], state: Path, tenders: int
) -> tuple[float, float]:
    """Accepted per second, and the server's own processor time for each in microseconds."""
    here, there = multiprocessing.Pipe()
    process = multiprocessing.Process(target=run, args=(serve, state, there))
    process.start()
    url = here.recv()
    credentials = state.parent / "exchange"
    work = requests(credentials, tenders, WallClock().now())
    rate = asyncio.run(drive(url, work))
    here.send("end")
    busy_s = here.recv()
    process.join()
    return rate, busy_s / tenders * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tenders", type=int, default=4_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--dir", help="where both keep their databases; default the system's")
    args = parser.parse_args()
    found = []
    for _ in range(args.rounds):
        with tempfile.TemporaryDirectory(dir=args.dir) as folder:
            exchange, exchange_us = measure(serve_exchange, Path(folder) / "exchange", args.tenders)
            bare, bare_us = measure(serve_bare, Path(folder) / "bare", args.tenders)
        found.append((exchange / bare, exchange, bare))
        print(
            f"exchange {exchange:6.0f}/s {exchange_us:5.0f} us   bare {bare:6.0f}/s {bare_us:5.0f} us"
            f"   ratio {exchange / bare:.2f}   by processor time {bare_us / exchange_us:.2f}"
        )
    ratio, exchange, bare = sorted(found)[len(found) // 2]
    print(f"median ratio {ratio:.2f} (target >= 0.8), {exchange:.0f} against {bare:.0f} per second")


if __name__ == "__main__":
    main()
