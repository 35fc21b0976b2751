"""The home's health over HTTP: ``/api/health`` for the page, ``/api/report.json`` to send with a problem."""

from __future__ import annotations

from aiohttp import web

from gateway.dashboard.health import health
from gateway.dashboard.view import HomeSource
from gateway.errors import ErrandError


class HealthRoutes:
    """A report is made by a process of its own, one at a time; it is masked as ``energy-gateway dump`` is."""

    def __init__(self, source: HomeSource) -> None:
        self._source = source

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/api/health", self._health),
            web.get("/api/report.json", self._report),
        ]

    async def _health(self, _request: web.Request) -> web.StreamResponse:
        view = self._source.latest()
        if view is None:
            raise web.HTTPServiceUnavailable(text="nothing is measured yet")
        response = web.json_response(health(view, can_report=self._source.can_report))
        response.enable_compression()
        return response

    async def _report(self, _request: web.Request) -> web.StreamResponse:
        if not self._source.can_report:
            raise web.HTTPNotFound(text="this home has no configuration file to report on")
        try:
            text = await self._source.report()
        except ErrandError as error:
            return web.Response(status=503, text=str(error))
        headers = {"Content-Disposition": 'attachment; filename="energy-gateway-report.json"'}
        return web.Response(body=text, content_type="application/json", headers=headers)
