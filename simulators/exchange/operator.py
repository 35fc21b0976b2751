"""What the exchange's operator does by hand: halt, resume, revoke a party, limit exports, look.

Served on a Unix socket in the exchange's state folder: who may write into that folder on this
machine is the operator, nobody else reaches it, and nothing of it is part of the binding.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from gateway.domain.intervals import iso, parse_utc
from gateway.errors import ConfigError, StorageError
from simulators.exchange.access import rotate_key
from simulators.exchange.fleet import fleet
from simulators.exchange.market import Market
from simulators.exchange.rows import from_s

SOCKET = "operator.sock"
Query = Mapping[str, str]


async def _status(market: Market, _query: Query) -> dict[str, Any]:
    halted, step = market.marks.get("halted"), market.last_step
    parties = sorted(market.parties.all(), key=lambda party: party.party_id)
    return {
        "time": iso(market.now()),
        "halted_since": None if halted is None else iso(from_s(int(halted))),
        "last_call": None if step is None else iso(step),
        "resting_tenders": sum((await market.open_by_party()).values()),
        "revoked": [party.party_id for party in parties if party.revoked],
        "parties": [party.party_id for party in parties],
        "zero_sum_error": await market.zero_sum_error(),
    }


async def _halt(market: Market, query: Query) -> dict[str, Any]:
    await market.halt()
    return await _status(market, query)


async def _resume(market: Market, query: Query) -> dict[str, Any]:
    await market.resume()
    return await _status(market, query)


def _party(market: Market, query: Query) -> str:
    party_id = query.get("party", "")
    if market.parties.get(party_id) is None:
        known = ", ".join(sorted(party.party_id for party in market.parties.all()))
        raise ValueError(f"no party {party_id!r}; there are {known}")
    return party_id


async def _revoke(market: Market, query: Query) -> dict[str, Any]:
    party_id = _party(market, query)
    return {"revoked": party_id, "canceled_tenders": await market.revoke(party_id)}


async def _rotate_key(market: Market, query: Query) -> dict[str, Any]:
    party_id, folder = _party(market, query), Path(query.get("folder", ""))
    return {"party": party_id, "kid": rotate_key(market, folder, party_id)}


def _moment(query: Query, name: str) -> datetime:
    try:
        return parse_utc(query.get(name, ""))
    except ValueError:
        raise ValueError(
            f"{query.get(name, '')!r} is no time; write a UTC time like 2026-06-01T18:00:00Z"
        ) from None


async def _export_limit(market: Market, query: Query) -> dict[str, Any]:
    start, end = _moment(query, "start"), _moment(query, "end")
    if end <= start:
        raise ValueError("the end is not after the start")
    return {"intervals_without_fee": await market.limit_exports(start, end)}


async def _fleet(market: Market, query: Query) -> dict[str, Any]:
    return await fleet(market, query)


ACTIONS: Mapping[str, Callable[[Market, Query], Awaitable[dict[str, Any]]]] = {
    "status": _status,
    "halt": _halt,
    "resume": _resume,
    "revoke": _revoke,
    "rotate-key": _rotate_key,
    "export-limit": _export_limit,
    "fleet": _fleet,
}


async def serve_operator(market: Market, folder: Path) -> web.AppRunner:
    """Listen in ``folder``; readable and writable by the owner only. ConfigError where it cannot."""

    async def act(request: web.Request) -> web.Response:
        action = ACTIONS.get(request.match_info["action"])
        if action is None:
            return web.json_response({"error": f"use one of {', '.join(ACTIONS)}"}, status=404)
        try:
            return web.json_response(await action(market, request.query))
        except ValueError as error:
            return web.json_response({"error": str(error)}, status=400)
        except StorageError as error:
            return web.json_response({"error": f"{error}; give the command again"}, status=503)

    app = web.Application()
    app.router.add_post("/{action}", act)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    path = folder / SOCKET
    try:
        await web.UnixSite(runner, str(path)).start()
        path.chmod(0o600)
    except OSError as error:
        await runner.cleanup()
        raise ConfigError(f"{path}: the operator's socket cannot be made: {error}") from error
    return runner


async def ask_operator(folder: Path, action: str, query: Query) -> dict[str, Any]:
    """The answer of the exchange that runs on ``folder``; ConfigError with its own words."""
    path = folder / SOCKET
    try:
        async with (
            aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(path))) as session,
            session.post(f"http://exchange/{action}", params=query) as reply,
        ):
            answer: dict[str, Any] = await reply.json()
    except (aiohttp.ClientError, OSError) as error:
        raise ConfigError(
            f"no exchange runs on {folder} (start `energy-sim exchange --state {folder}`): {error}"
        ) from error
    if "error" in answer:
        raise ConfigError(str(answer["error"]))
    return answer
