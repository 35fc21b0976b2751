"""One run of the load: homes, clock, exchange, and what came of it."""

from __future__ import annotations

import asyncio
import secrets
import ssl
import tempfile
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from gateway.clock import Clock, SimClock, WallClock, pause
from gateway.domain.intervals import QUARTER, floor_quarter, iso, parse_utc
from gateway.errors import ConfigError
from simulators.load.light_home import Counts, LightHome
from simulators.load.lock_step import METERING, Own, OwnExchange
from simulators.load.signer import Signer
from simulators.load.wire import Wire, check_address

START = datetime(2026, 6, 1, 12, tzinfo=UTC)
_CALL = timedelta(minutes=5)
_STEP = timedelta(minutes=1)
_LOOK_S = 1.0  # so long the exchange's clock is looked at
_TELL_S = 10.0
_REVENUE_SHARE = 10  # every tenth reading is corrected by the meter data provider before FINAL


@dataclass(frozen=True, slots=True)
class Load:
    """What to play. Without ``url`` an exchange of its own is started, in ``folder`` or a temporary one.

    With ``url`` and ``signed`` the parties are ``home-0`` and up, whose files are in ``credentials``; unsigned
    they are new ones of this run, ``load-...-0`` and up. Time is the exchange's, which runs at ``rate`` simulated
    seconds a second. ``tell`` is given a line now and then of how far it is.
    """

    homes: int
    hours: float
    signed: bool = False
    url: str | None = None
    rate: float = 1.0
    credentials: Path | None = None
    ca_file: Path | None = None
    folder: Path | None = None
    power_safe: bool = True
    tell: Callable[[str], None] | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """What came of it; None = only known of an exchange of our own.

    ``missed_calls``: tenders that came too late, and call periods for which this machine took longer
    than they last. ``max_loop_block_ms``: the server's longest stretch without a look at other work.
    ``final_cpu_s``: FINAL of one interval, a tenth of its readings corrected. ``cpu_ms_per_home_day``
    and ``memory_mb`` are the exchange's own.
    """

    homes: int
    hours: float
    missed_calls: int
    max_loop_block_ms: float | None
    final_cpu_s: float | None
    bytes_per_home_day: float | None
    tenders_per_s: float
    zero_sum_error: int | None
    wall_seconds: float
    cpu_ms_per_home_day: float | None = None
    memory_mb: float | None = None


async def run_load(load: Load) -> Result:
    """Raises WrongAnswerError at the first answer that is not what was promised."""
    tls = _trusted(load)
    if load.url is not None:
        check_address(load.url)
    async with AsyncExitStack() as stack:
        folder = load.folder
        if folder is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="load-")))
        own = None
        if load.url is None:
            own = await OwnExchange.start(Own(folder, START, load.homes, load.power_safe))
            stack.push_async_callback(own.close)
        wire = Wire(own.url if own else load.url or "", tls=tls)
        stack.callback(wire.close)
        return await _play(load, own, folder, wire)


def _trusted(load: Load) -> ssl.SSLContext | None:
    if load.ca_file is None:
        return None
    try:
        return ssl.create_default_context(cafile=str(load.ca_file))
    except OSError as error:
        raise ConfigError(
            f"--ca {load.ca_file}: no certificate that can be read: {error}"
        ) from None


async def _play(load: Load, own: OwnExchange | None, folder: Path, wire: Wire) -> Result:
    counts = Counts()
    credentials = folder / "credentials" if own else load.credentials
    prefix = "home" if own or load.signed else f"load-{secrets.token_hex(3)}"
    names = [f"{prefix}-{n}" for n in range(load.homes)]
    signers = [_credential(load, credentials, name) for name in names]
    clock = SimClock(START) if own else await _exchange_clock(load, wire)
    start = clock.now()
    run = "" if own else f"@{secrets.token_hex(3)}"
    homes = [LightHome(n, wire, counts, s, run) for n, s in zip(names, signers, strict=True)]
    end = start + timedelta(hours=load.hours)
    progress = _Progress(load, counts, start)
    timer = _CallTimer(_CALL.total_seconds())
    idle_cpu_s = (await own.figures())["cpu_s"] if own else 0.0
    began = time.perf_counter()  # noqa: TID251 - how long it takes in real time
    async with asyncio.TaskGroup() as group:
        if own:
            clock.spawn(group, _conduct(clock, own, timer, end), "conductor")
        for home in homes:
            clock.spawn(group, _live(clock, home, end, progress), home.party_id)
    wall_s = time.perf_counter() - began  # noqa: TID251
    figures: dict[str, Any] = {}
    if own:
        figures = await _settle(load, own, homes, clock, start)
        home_days = load.homes * load.hours / 24
        figures["cpu_ms_per_home_day"] = round((figures["cpu_s"] - idle_cpu_s) / home_days * 1e3, 1)
        figures["memory_mb"] = round(figures["rss_mb"])
    return Result(
        homes=load.homes,
        hours=load.hours,
        missed_calls=counts.missed + timer.missed,
        max_loop_block_ms=figures.get("longest_block_ms"),
        final_cpu_s=figures.get("final_cpu_s"),
        bytes_per_home_day=figures.get("bytes_per_home_day"),
        tenders_per_s=round(counts.tenders / wall_s, 1),
        zero_sum_error=figures.get("zero_sum_error"),
        wall_seconds=round(wall_s, 2),
        cpu_ms_per_home_day=figures.get("cpu_ms_per_home_day"),
        memory_mb=figures.get("memory_mb"),
    )


def _credential(load: Load, folder: Path | None, name: str) -> Signer | None:
    if not load.signed:
        return None
    if folder is None:
        raise ConfigError(
            "--signed with --url needs --credentials, the folder with home-0.json ..."
        )
    try:
        return Signer.read(folder / f"{name}.json")
    except (OSError, ValueError, KeyError) as error:
        raise ConfigError(
            f"{folder / name}.json: no credential: {error}; the exchange's operator gives them out"
        ) from None


async def _exchange_clock(load: Load, wire: Wire) -> Clock:
    """A clock that goes as the exchange's does; ConfigError where that goes at another rate."""
    here = WallClock()
    asked = here.monotonic()
    first = await _server_time(load, wire)
    answered = here.monotonic()
    clock = WallClock(first, load.rate)
    await pause(_LOOK_S)
    again = here.monotonic()
    went_s = (await _server_time(load, wire) - first).total_seconds()
    # It was read somewhere between question and answer, however long those took.
    least_s, most_s = again - answered, here.monotonic() - asked
    if not load.rate * least_s * 0.9 - 1 <= went_s <= load.rate * most_s * 1.1 + 1:
        raise ConfigError(
            f"--rate {load.rate:g}: the clock of {load.url} goes at a rate of about"
            f" {2 * went_s / (least_s + most_s):.2g}; name that"
        )
    return clock


async def _server_time(load: Load, wire: Wire) -> datetime:
    """Anybody is told it, with a refusal."""
    _status, answer = await wire.ask("GET", "/cts/party", {})
    try:
        return parse_utc(str(answer["serverTime"]))
    except (KeyError, ValueError):
        raise ConfigError(f"--url {load.url}: no exchange answers there") from None


@dataclass(slots=True)
class _CallTimer:
    """Call periods that took this machine longer than they last."""

    period_s: float
    missed: int = 0
    _last: float = 0.0

    def call(self) -> None:
        now = time.perf_counter()  # noqa: TID251
        if self._last and now - self._last > self.period_s:
            self.missed += 1
        self._last = now


@dataclass(slots=True)
class _Progress:
    """Tells how far the homes are, once in ten seconds."""

    load: Load
    counts: Counts
    start: datetime
    _next: float = field(default_factory=lambda: time.perf_counter() + _TELL_S)  # noqa: TID251

    def at(self, now: datetime) -> None:
        real_s = time.perf_counter()  # noqa: TID251
        if self.load.tell is None or real_s < self._next:
            return
        self._next = real_s + _TELL_S
        hours = (now - self.start) / timedelta(hours=1)
        self.load.tell(
            f"{iso(now)}: {hours:.2f} of {self.load.hours:g} hours, {self.counts.tenders:,} tenders,"
            f" {self.counts.fills:,} fills, {self.counts.missed:,} tenders too late"
        )


async def _conduct(clock: Clock, own: OwnExchange, timer: _CallTimer, end: datetime) -> None:
    """Take the exchange along, minute by minute, a little further than the homes go."""
    while clock.now() < end:
        await own.move(clock.now())
        if clock.now().minute % 5 == 0:
            timer.call()
        await clock.sleep_until(clock.now() + _STEP)


async def _live(clock: Clock, home: LightHome, end: datetime, progress: _Progress) -> None:
    if progress.load.url is not None:
        await home.begin()
    wake = floor_quarter(clock.now()) + home.minute
    while wake < end:
        if wake > clock.now():
            await clock.sleep_until(wake)
            await home.quarter(clock.now())
            progress.at(clock.now())
        wake += QUARTER


async def _settle(
    load: Load, own: OwnExchange, homes: list[LightHome], clock: Clock, start: datetime
) -> dict[str, Any]:
    """Let the last call and the settlements come, correct some readings, settle FINAL, look."""
    now = clock.now() + timedelta(hours=1)
    await own.move(now)
    checked = floor_quarter(now - timedelta(minutes=45))
    await asyncio.gather(*(home.check_settlement(start, checked) for home in homes))
    figures = await own.figures()
    days = max(load.hours / 24, 1 / 96)
    figures["bytes_per_home_day"] = round(figures["bytes"] / load.homes / days)
    figures["longest_block_ms"] = round(figures["longest_block_ms"], 1)
    corrected = max(start, floor_quarter(clock.now()) - 2 * QUARTER)
    await _correct(own, homes, corrected)
    figures["final_cpu_s"] = round(await own.final(corrected), 4)
    after = await own.figures()
    figures["zero_sum_error"] = after["zero_sum_error"]
    figures["longest_block_ms"] = round(max(figures["longest_block_ms"], after["longest_block_ms"]), 1)  # fmt: skip
    return figures


async def _correct(own: OwnExchange, homes: list[LightHome], start: datetime) -> None:
    """The meter data provider reports revenue meters of one interval."""
    wire = Wire(own.url)
    provider = LightHome(METERING, wire, Counts(), None)
    for home in homes[::_REVENUE_SHARE]:
        net = home.net_wh(start) + 150
        await provider.correct(home.party_id, start, net)
    wire.close()


def as_json(result: Result) -> dict[str, Any]:
    """What the load's file says; what it cost the exchange is for the benchmark."""
    cost = ("cpu_ms_per_home_day", "memory_mb")
    return {name: value for name, value in asdict(result).items() if name not in cost}
