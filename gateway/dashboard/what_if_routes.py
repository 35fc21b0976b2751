"""``POST /api/what-if``: the home's own past with another battery, tariff or car; a process of its own works it out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from gateway.dashboard.view import HomeSource
from gateway.errors import ErrandError

DAYS = (7, 14, 28)
# What may be asked -> the option that says it, least and most.
CHANGES: Mapping[str, tuple[str, float, float]] = {
    "battery_kwh": ("--battery-kwh", 0.5, 1000.0),
    "import_price": ("--import-price", -10.0, 10_000.0),
    "export_price": ("--export-price", -10.0, 10_000.0),
    "car_kwh": ("--car-kwh", 0.0, 200.0),
}


class WhatIfRoutes:
    """Takes seconds to minutes; one at a time, behind all else that the machine does."""

    def __init__(self, source: HomeSource) -> None:
        self._source = source

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/api/what-if", self._ask)]

    async def _ask(self, request: web.Request) -> web.StreamResponse:
        if request.content_type != "application/json":
            return web.json_response({"fault": "send application/json"}, status=415)
        view = self._source.latest()
        try:
            words = options(json.loads(await request.read()))
        except (ValueError, RecursionError) as error:
            return web.json_response({"fault": str(error)}, status=400)
        if view is not None and view.capacity_wh:
            words = (*words, f"--battery-now-kwh={view.capacity_wh / 1000:.3f}")
        try:
            text = await self._source.what_if(words)
        except ErrandError as error:
            return web.json_response({"fault": str(error)})  # as a refused command: an answer
        return web.Response(body=text, content_type="application/json")


def options(asked: Any) -> tuple[str, ...]:
    """The words of the command; raises ValueError that says what would be right."""
    if not isinstance(asked, dict) or asked.get("days") not in DAYS:
        raise ValueError(f"days is one of {', '.join(map(str, DAYS))}")
    words = [f"--last={asked['days']}"]
    for name, (option, least, most) in CHANGES.items():
        value = asked.get(name)
        if value is None:
            continue
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not least <= value <= most:
            raise ValueError(f"{name} is a number from {least:g} to {most:g}, or null")
        words.append(f"{option}={value:.6f}")
    return tuple(words)
