"""The past over HTTP: ``/api/past`` for the page's chart, ``/api/past.csv`` for a spreadsheet."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from zoneinfo import ZoneInfo

from aiohttp import web

from gateway.dashboard.past import KINDS, Period, as_csv, past
from gateway.dashboard.view import HomeSource
from gateway.domain.decisions import PlannedQuarter

_YEARS = range(2000, 2200)  # of a day that somebody may ask for


class PastRoutes:
    """Both take ``period`` (day, week, month, year) and ``day``, any local day in it (default: today)."""

    def __init__(self, source: HomeSource) -> None:
        self._source = source

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/api/past", self._json), web.get("/api/past.csv", self._csv)]

    async def _json(self, request: web.Request) -> web.StreamResponse:
        period = self._period(request)
        parts = await self._source.energies(period.bounds)
        before = await self._source.energies([period.before.start, period.before.end])
        planned: dict[str, Sequence[PlannedQuarter]] = {}
        if period.kind == "day":
            planned = {
                "day": await self._source.planned("day", period.start, period.end),
                "hour": await self._source.planned("hour", period.start, period.end),
            }
        response = web.json_response(past(period, parts, before, planned))
        response.enable_compression()
        return response

    async def _csv(self, request: web.Request) -> web.StreamResponse:
        period = self._period(request)
        parts = await self._source.energies(period.bounds)
        name = f"energy-{period.kind}-{period.first.isoformat()}.csv"
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return web.Response(text=as_csv(period, parts), content_type="text/csv", headers=headers)

    def _period(self, request: web.Request) -> Period:
        view = self._source.latest()
        if view is None:
            raise web.HTTPServiceUnavailable(text="nothing is measured yet")
        zone = ZoneInfo(view.time_zone)
        kind = next((k for k in KINDS if k == request.query.get("period", "day")), None)
        day = _day(request.query.get("day", ""), view.time.astimezone(zone).date())
        if kind is None or day is None:
            raise web.HTTPBadRequest(
                text=f"period is one of {', '.join(KINDS)}, day a date like 2026-06-01"
            )
        return Period.around(kind, day, zone)


def _day(text: str, today: date) -> date | None:
    if not text:
        return today
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if day.year in _YEARS else None
