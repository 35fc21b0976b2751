"""The car's charging over HTTP: ``/api/car`` for the page, ``/api/car.csv`` for a spreadsheet."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from aiohttp import web

from gateway.dashboard.car import as_csv, body, sessions
from gateway.dashboard.view import HomeSource, HomeView
from gateway.store.car_quarters import CarPast

_PAGE_DAYS, _MOST_DAYS = 30, 400


class CarRoutes:
    """Both take ``days``, how far back (default 30, at most 400)."""

    def __init__(self, source: HomeSource) -> None:
        self._source = source

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/api/car", self._json), web.get("/api/car.csv", self._csv)]

    async def _json(self, request: web.Request) -> web.StreamResponse:
        view, past = await self._past(request)
        found = await asyncio.to_thread(sessions, past)
        return web.json_response(body(found, view.currency, view.time_zone))

    async def _csv(self, request: web.Request) -> web.StreamResponse:
        _, past = await self._past(request)
        found = await asyncio.to_thread(sessions, past)
        headers = {"Content-Disposition": 'attachment; filename="car.csv"'}
        return web.Response(text=as_csv(found), content_type="text/csv", headers=headers)

    async def _past(self, request: web.Request) -> tuple[HomeView, CarPast]:
        view = self._source.latest()
        if view is None:
            raise web.HTTPServiceUnavailable(text="nothing is measured yet")
        text = request.query.get("days", str(_PAGE_DAYS))
        if not text.isdigit() or not 1 <= int(text) <= _MOST_DAYS:
            raise web.HTTPBadRequest(text=f"days is 1 to {_MOST_DAYS}")
        return view, await self._source.car_past(view.time - timedelta(days=int(text)), view.time)
