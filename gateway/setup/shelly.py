"""What a Shelly says that it is, over HTTP (`/shelly`) and in its multicast records, and which profile reads it.

Facts of the maker's documents: the second generation tells ``gen`` and ``app`` (a plug's has "Plug" in it, a three-phase meter's "3EM"), the
first ``type`` (SHEM-3). Whatever else it makes may stand before anything, so only its owner can say what: docs/devices.md.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping, Sequence
from typing import Any

from gateway.bounded_http import BoundedHttp
from gateway.bounded_json import parsed
from gateway.devices.network import Place
from gateway.errors import RetryableError
from gateway.escape import printable
from gateway.setup.named import Named

ANSWER_S = 5.0
_MOST_BYTES = 16 * 1024
_AT_ONCE, _OK = 8, 200


class _Silent(RetryableError):
    """No Shelly, or none that answers."""


async def shellies(at: Sequence[Place]) -> list[Named]:
    """Those of the open places that are a Shelly with a profile of ours; whoever else is asked for one small page."""
    http, gate = BoundedHttp(ssl.create_default_context(), _Silent, _MOST_BYTES), asyncio.Semaphore(_AT_ONCE)  # fmt: skip

    async def one(place: Place) -> Named | None:
        async with gate:
            try:
                async with asyncio.timeout(ANSWER_S):
                    url = f"http://{place.host}:{place.port}/shelly"
                    status, body = await http.ask("GET", url, query={})
                return _said(place, parsed(body)) if status == _OK else None
            except (_Silent, TimeoutError, ValueError, RecursionError):
                return None

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(place), name=f"shelly {place}") for place in at]
    finally:
        await http.close()
    return [found for task in tasks if (found := task.result()) is not None]


def profile_of(told: Mapping[str, Any]) -> str:
    """Of ``/shelly``'s answer, or of a multicast record; empty for what only its owner could name."""
    app, kind = str(told.get("app") or ""), str(told.get("type") or "")
    if app:
        return "shelly-pro-3em-http" if "3EM" in app else "shelly-plug" if "Plug" in app else ""
    return "shelly-3em-http" if kind.startswith("SHEM-3") else ""


def _said(place: Place, told: Any) -> Named | None:
    if not isinstance(told, Mapping) or not (profile := profile_of(told)):
        return None
    name = printable(str(told.get("name") or told.get("id") or told.get("app") or "Shelly"), 60)
    locked = told.get("auth_en") is True or told.get("auth") is True
    return Named(place.host, f"{name} (it has a password: not read)" if locked else name, profile)
