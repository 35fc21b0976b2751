"""What a gateway needs of this machine: a folder to write, ports to listen on."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, suppress
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

from gateway.agent.stores import HISTORY
from gateway.bill.days import DayBill, day_bills, outdated
from gateway.bounded_http import BoundedHttp
from gateway.checkup.finding import Finding
from gateway.config import credstore
from gateway.config.explain import at
from gateway.config.settings import Settings
from gateway.config.tls import client_tls
from gateway.devices.build import bus_of
from gateway.errors import MarketError, StorageError
from gateway.guard.bus_lock import steered_by
from gateway.store.history import History
from gateway.tariff import TariffRules

_TITLE, _PAGE_BYTES = b"Energy gateway</title>", 100_000
_FIRST_START = b"the token that the gateway has printed"  # what that page says to a stranger
LEAST_FREE = 50 * 1024 * 1024  # bytes; a year of history and account is more


def running_gateway(settings: Settings) -> str | None:
    """The gateway of this machine that steers one of these devices, in words; from whatever folder it was started."""
    buses = {str(bus_of(d)) for d in settings.plain_devices()}
    return next((words for bus in sorted(buses) if (words := steered_by(bus))), None)


async def on_this_machine(
    path: Path, text: str, settings: Settings, *, running: bool
) -> AsyncIterator[Finding]:
    """State folder and ports. What a ``running`` gateway has in use is left alone."""
    folder = settings.state_dir
    wrong = _unwritable(folder) if not credstore.of_the_service(path) or folder.exists() else ""
    where = at(path, text, ("state_dir",), "") if wrong else ""
    yield Finding("state", not wrong, f"{where}{wrong}" if wrong else str(folder))
    page = settings.dashboard
    if page.enabled:
        taken = "" if running or not page.port else await _taken(page.host, page.port)
        says = f"port {page.port}"
        if taken and (ours := await _ours(page.host, page.port)):
            taken, says = "", f"{says}: {ours}"
        where = at(path, text, ("dashboard", "port"), "") if taken else ""
        yield Finding("page", not taken, f"{where}{taken}" if taken else says)
    if settings.bridged() and not running:
        port = settings.bridge.port
        taken = await _taken("127.0.0.1", port)
        where = at(path, text, ("bridge", "port"), "") if taken else ""
        yield Finding("bridge", not taken, f"{where}{taken}" if taken else f"port {port}")


def billed_anew(path: Path, text: str, settings: Settings, today: date) -> Iterator[Finding]:
    """What a stated `tariff.since` means for the days that are over."""
    since = settings.tariff.since
    if since is None:
        return
    rules = TariffRules(settings.tariff, ZoneInfo(settings.site.time_zone))
    wrong, days = "", _billed(settings.state_dir / HISTORY)
    first = days[0].start.astimezone(rules.zone).date() if days else since
    if since > today:
        wrong = f"{since} is still to come, and the tariff holds from now on: write it down on the day it begins"
    elif since < first:
        wrong = f"{since} is before the first day that was billed, {first}: is the year right?"
    count = len(outdated(days, rules))
    where = at(path, text, ("tariff", "since"), "") if wrong else ""
    says = f"{since}; billed anew at the next start: {count} days" if count else str(since)
    yield Finding("tariff.since", not wrong, f"{where}{wrong}" if wrong else says)


def _billed(file: Path) -> list[DayBill]:
    """The days that are over, as they were billed; none where they cannot be read."""
    with suppress(StorageError):
        if os.access(file, os.R_OK):
            with closing(History(file, read_only=True)) as history:
                return day_bills(history.billed())
    return []


async def _taken(host: str, port: int) -> str:
    """Why nobody can listen there; empty where one can. It is let go at once."""
    try:
        server = await asyncio.start_server(lambda _r, w: w.close(), host, port)
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else str(error)
        return f"cannot listen at {host} port {port}: {why}; end what does, or choose another port"
    server.close()
    await server.wait_closed()
    return ""


async def _ours(host: str, port: int) -> str:
    """Which page of ours listens there, in words: of the service, whose folders nobody else may look into; empty for another's."""
    near = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - no address to go to
    shown = f"[{near}]" if ":" in near else near
    http = BoundedHttp(client_tls("dashboard", None, None, None), MarketError, _PAGE_BYTES)
    try:
        for path in ("/", "/login"):  # with a password the first sends us to the second
            with suppress(MarketError):
                _, body = await http.ask("GET", f"http://{shown}:{port}{path}", query={})
                if _TITLE in body:
                    return "a gateway's page answers there, so one runs"
                if _FIRST_START in body:
                    return "the page of the first start answers there, and makes room for the gateway's"
    finally:
        await http.close()
    return ""


def _unwritable(folder: Path) -> str:
    """Why nothing could be kept in ``folder``; empty where it can, or can be made."""
    there = next(p for p in (folder.absolute(), *folder.absolute().parents) if p.exists())
    if not there.is_dir():
        return f"{there} is no folder"
    if not os.access(there, os.W_OK | os.X_OK):
        return f"{there} cannot be written; nothing would be kept and nothing traded"
    free = shutil.disk_usage(there).free
    if free < LEAST_FREE:
        return f"{there}: {free // 1024 // 1024} MB are free; make room"
    return ""
