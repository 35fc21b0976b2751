"""What the page costs the agent: 50 browsers on its event stream, and a year of history, with the real processes.

Processor time and memory of the agent alone (the guard is another process), first without anybody, then with the
clients, then while the year's chart is asked for again and again. The floors are in the same run: a bare server
that writes the same bytes to as many clients, and SQLite reading the same rows and json writing them.

    python -m benchmarks.page_clients --seconds 60
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
from aiohttp import web

from gateway.clock import WallClock
from gateway.store.history import History
from simulators.broker import free_port, start_broker
from simulators.devices.serve import serve_home
from simulators.gateway_toml import gateway_toml
from simulators.physics.home import Home
from simulators.scenario import Scenario

CLIENTS, YEARS, QUARTERS = 50, 20, 35_040
SETTLED_S = 10.0


def years_of(path: Path) -> None:
    """Two years of quarter-hours: the one that is shown, and the one beside it."""
    History(path).close()
    last = int(datetime.now(UTC).timestamp()) // 900 * 900
    rows = [
        (last - 900 * n, 400.0, 310.0, 90.0, 120.0, 60.0, 50.0, 20.0, 15)
        for n in range(1, 2 * QUARTERS)
    ]
    with sqlite3.connect(path) as db:
        db.executemany("INSERT OR REPLACE INTO energy VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
    db.close()


def processor_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) / 1024


def agent_of(guard: int) -> int:
    """The guard's child."""
    return int(Path(f"/proc/{guard}/task/{guard}/children").read_text().split()[0])


async def listen(session: aiohttp.ClientSession, url: str, heard: list[int]) -> None:
    async with session.get(url, timeout=aiohttp.ClientTimeout(total=None)) as answer:
        async for chunk in answer.content.iter_any():
            heard[0] += len(chunk)


async def share(seconds: float, used: Callable[[], float]) -> float:
    """Processor time as a share of the time."""
    began, before = time.monotonic(), used()
    await asyncio.sleep(seconds)
    return (used() - before) / (time.monotonic() - began)


async def watched(
    session: aiohttp.ClientSession, url: str, seconds: float, used: Callable[[], float]
) -> tuple[float, int]:
    """The share while ``CLIENTS`` listen, and the bytes that they were sent."""
    heard = [0]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(listen(session, url, heard)) for _ in range(CLIENTS)]
        await asyncio.sleep(3)
        heard[0] = 0
        found = await share(seconds, used)
        for task in tasks:
            task.cancel()
    return found, heard[0]


async def year(session: aiohttp.ClientSession, url: str) -> list[float]:
    """How long each answer took, s."""
    took = []
    for _ in range(YEARS):
        began = time.monotonic()
        async with session.get(url) as answer:
            answer.raise_for_status()
            await answer.read()
        took.append(time.monotonic() - began)
    return took


def bare_year(path: Path) -> float:
    """Processor seconds of SQLite and json for the same rows, of one answer."""
    began = time.process_time()
    for _ in range(YEARS):
        with sqlite3.connect(path) as db:
            json.dumps(db.execute("SELECT * FROM energy ORDER BY time").fetchall())
        db.close()
    return (time.process_time() - began) / YEARS


async def bare_stream(seconds: float, size: int) -> float:
    """The share of a server that writes ``size`` bytes a second to each client and does nothing else.

    It runs in a process of its own, as the agent does.
    """
    port = free_port()
    server = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.page_clients", "--serve", str(port), str(size)
    )
    try:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            url = f"http://127.0.0.1:{port}/events"
            while True:
                try:
                    async with session.get(f"http://127.0.0.1:{port}/") as answer:
                        await answer.read()
                    break
                except aiohttp.ClientError:
                    await asyncio.sleep(0.1)
            found, _ = await watched(session, url, seconds, lambda: processor_s(server.pid))
            return found
    finally:
        server.terminate()
        await server.wait()


async def serve(port: int, size: int) -> None:
    async def events(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        while request.transport is not None and not request.transport.is_closing():
            await response.write(b"x" * size)
            await asyncio.sleep(1)
        return response

    async def index(_request: web.Request) -> web.Response:
        return web.Response()

    app = web.Application()
    app.router.add_get("/events", events)
    app.router.add_get("/", index)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


async def measure(seconds: float, folder: Path) -> None:
    clock, port = WallClock(), free_port()
    home = Home(clock, Scenario(start=clock.now(), seed=3, soc_pct=60))
    broker, servers = await start_broker(), await serve_home(home)
    (folder / "state").mkdir()
    years_of(folder / "state" / "history.sqlite")
    text = gateway_toml(folder / "state", servers.ports, broker.port)
    (folder / "gateway.toml").write_text(text.replace("port = 0", f"port = {port}", 1))
    guard = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "from gateway.cli import main; main()",
        "run", "--config", str(folder / "gateway.toml"), "--log-level", "error",
    )  # fmt: skip
    try:
        await asyncio.sleep(SETTLED_S)
        agent = agent_of(guard.pid)
        base = f"http://127.0.0.1:{port}"
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            nobody, memory = await share(seconds, lambda: processor_s(agent)), memory_mb(agent)
            busy, sent = await watched(
                session, f"{base}/events", seconds, lambda: processor_s(agent)
            )
            with_clients, before = memory_mb(agent), processor_s(agent)
            day = datetime.now(UTC).date() - timedelta(days=1)
            took = await year(session, f"{base}/api/past?period=year&day={day}")
            spent = (processor_s(agent) - before) / YEARS
            after = memory_mb(agent)
        size = round(sent / CLIENTS / seconds)
        floor = await bare_stream(seconds, size)
    finally:
        guard.terminate()
        await guard.wait()
        await servers.close()
        await broker.close()
    reading = bare_year(folder / "state" / "history.sqlite")
    print(f"nobody looks:            {100 * nobody:5.2f} % of a core, {memory:.0f} MB")
    print(
        f"{CLIENTS} pages, {size} bytes/s each: {100 * busy:.2f} % of a core, {with_clients:.0f} MB; for them"
        f" {100 * (busy - nobody):.2f} %, a bare server of the same bytes {100 * floor:.2f} %"
    )
    print(
        f"a year's chart: median {1e3 * statistics.median(took):.0f} ms, worst {1e3 * max(took):.0f} ms,"
        f" {1e3 * spent:.0f} ms of processor time; SQLite and json alone {1e3 * reading:.0f} ms; {after:.0f} MB after {YEARS}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--serve", type=int, nargs=2, metavar=("PORT", "SIZE"), help="the floor")
    words = parser.parse_args()
    if words.serve:
        asyncio.run(serve(*words.serve))
        return
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(measure(words.seconds, Path(folder)))


if __name__ == "__main__":
    main()
