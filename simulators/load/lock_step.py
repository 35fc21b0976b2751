"""The load's own exchange: a process of its own whose simulated clock goes where the load's clock goes.

So the server's processor time, memory and longest block are its own, and the clock still leaps. One
JSON line in, one out: {"to": time} moves the clock and everything that is due there is done before the
answer; {"final": quarter} settles; {"figures": true} tells what it cost.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from gateway.clock import SimClock
from gateway.domain.intervals import iso, parse_utc
from gateway.errors import ConfigError, GatewayError, MarketError
from simulators.exchange import Party, start_exchange
from simulators.exchange.limits import Limits
from simulators.exchange.rows import to_quarter
from simulators.exchange.sqlite_ledger import SqliteLedger
from simulators.exchange.start import ExchangeHandle, settle_memory
from simulators.exchange.terms import LSE_PARTY, METER_DATA_PROVIDER
from simulators.prices import SyntheticPrices

METERING = "metering"
_BEAT_S = 0.005
_INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Own:
    """What the child is started with."""

    state: Path
    start: datetime
    homes: int
    power_safe: bool


class OwnExchange:
    """The parent's side of the process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.url = ""

    @classmethod
    async def start(cls, own: Own) -> OwnExchange:
        """Started when it serves; raises ConfigError with what it says where it cannot."""
        words = [str(own.state), iso(own.start), str(own.homes), str(int(own.power_safe))]
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "simulators.load.lock_step", *words),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        started = cls(process)
        try:
            started.url = (await _line(process))["url"]
        except BaseException:
            await started.close()
            raise
        return started

    async def move(self, to: datetime) -> None:
        """All that is due there is done when this returns."""
        await self._ask(to=iso(to))

    async def final(self, quarter: datetime) -> float:
        """Settle FINAL through that interval; the processor seconds that the last one took."""
        return float((await self._ask(final=iso(quarter)))["cpu_s"])

    async def figures(self) -> dict[str, Any]:
        return await self._ask(figures=True)

    async def close(self) -> None:
        if self._process.returncode is None:
            self._process.terminate()
        await self._process.wait()

    async def _ask(self, **question: object) -> dict[str, Any]:
        assert self._process.stdin is not None  # noqa: S101 - it was made with one
        self._process.stdin.write(json.dumps(question).encode() + b"\n")
        return await _line(self._process)


async def _line(process: asyncio.subprocess.Process) -> dict[str, Any]:
    assert process.stdout is not None  # noqa: S101 - it was made with one
    line = await process.stdout.readline()
    if not line:
        raise MarketError(f"the exchange ended by itself, with status {await process.wait()}")
    answer: dict[str, Any] = json.loads(line)
    if "error" in answer:
        raise ConfigError(answer["error"])
    return answer


# --- the child --------------------------------------------------------------------------------


async def _serve(own: Own) -> None:
    clock = SimClock(own.start)
    parties = [
        Party(LSE_PARTY, "retailer", 0),
        Party(METERING, METER_DATA_PROVIDER, 0),
        *(Party(f"home-{n}", "home", 25_000) for n in range(own.homes)),
    ]
    async with asyncio.TaskGroup() as group:

        async def driven() -> None:
            handle = await start_exchange(
                clock,
                group,
                own.state,
                SyntheticPrices(1),
                parties=parties,
                power_safe=own.power_safe,
                limits=Limits(),
            )
            settle_memory()
            beat = group.create_task(_watch(longest := [0.0]))
            _say(url=handle.url)
            await _drive(clock, handle, longest, own)
            beat.cancel()
            await handle.close()

        clock.spawn(group, driven(), "driver")


async def _drive(clock: SimClock, handle: ExchangeHandle, longest: list[float], own: Own) -> None:
    """Do what the parent says until it hangs up."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        question = json.loads(line)
        if "to" in question:
            await clock.sleep_until(parse_utc(question["to"]))
            await clock.sleep_until(clock.now() + _INSTANT)  # what is due there has been done
            _say()
        elif "final" in question:
            quarter, settle = to_quarter(parse_utc(question["final"])), handle.market.settlement
            await settle.settle_through("FINAL", quarter - 1, clock.now(), handle.store)
            began = time.process_time()
            await settle.settle_through("FINAL", quarter, clock.now(), handle.store)
            _say(cpu_s=time.process_time() - began)
        else:
            longest_ms, store = longest[0] * 1e3, handle.store
            assert isinstance(store, SqliteLedger)  # noqa: S101 - it was started so above
            await asyncio.to_thread(store.checkpoint)  # not the exchange's own work
            _say(
                longest_block_ms=longest_ms,
                cpu_s=time.process_time(),
                rss_mb=_rss_mb(),
                bytes=sum(f.stat().st_size for f in own.state.glob("exchange.db*")),
                zero_sum_error=sum((await store.totals()).values()),
            )


async def _watch(longest: list[float]) -> None:
    """The longest stretch of the loop's own processor time between two of its beats: time in which
    nobody else was served. Processor time, so that a busy machine does not count as a block."""
    last = time.thread_time()
    while True:
        await asyncio.sleep(_BEAT_S)  # noqa: TID251 - real time: how long the loop was held up
        now = time.thread_time()
        longest[0] = max(longest[0], now - last)
        last = now


def _rss_mb() -> float:
    pages = int(Path(f"/proc/{os.getpid()}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _say(**answer: object) -> None:
    print(json.dumps(answer), flush=True)  # noqa: T201 - the parent reads it


def main() -> None:
    state, start, homes, power_safe = sys.argv[1:]
    own = Own(Path(state), parse_utc(start), int(homes), bool(int(power_safe)))
    try:
        asyncio.run(_serve(own))
    except* GatewayError as group:
        _say(error=str(first_of(group)))
        raise SystemExit(1) from None


def first_of(error: BaseException) -> BaseException:
    """The first of what went wrong at once."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


if __name__ == "__main__":
    main()
