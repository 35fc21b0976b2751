"""One scenario: a home's script, equipment and settings. Played by `fast.play` or `wire.play_on_wire`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from gateway.config.settings import Settings
from gateway.domain.intervals import QUARTER, Interval
from gateway.domain.plan import Observed
from simulators.lab.exchange import ExchangeDay
from simulators.lab.site import BOILER, HEAT_PUMP, Equipment
from simulators.physics.heat import Boiler, HeatPump
from simulators.physics.script import Script, Span
from simulators.physics.values import House
from simulators.scenario import ODD, Scenario

_PAST_STEP = timedelta(minutes=3)
HEATERS = {BOILER: "my-pv-ac-elwa-2", HEAT_PUMP: "stiebel-isg-wpm"}
Price = float | None  # per kWh


class PriceSource(Protocol):
    """A retailer's prices and the server that tells them (`simulators.lab.feed.Prices`)."""

    def at(self, time: datetime) -> tuple[Price, Price]:
        """What a kWh costs and earns in the quarter-hour from ``time``."""

    async def serve(self, now: Callable[[], datetime]) -> tuple[str, Callable[[], Awaitable[None]]]:
        """Start the server; its address, and what ends it. ``now`` is the scenario's time."""


@dataclass(frozen=True, slots=True)
class Said:
    """A command that somebody gives: as ``cmd/<name>`` takes it."""

    at: datetime
    name: str
    value: Any


@dataclass(frozen=True)
class Lab:
    """A scenario, in the fast kind also with heaters. ``settings`` are tables of gateway.toml; what they do not name has its default.

    ``past_days`` of the same script have been lived through already, for the forecasts. In the spans
    ``off`` the gateway does not run, in those of ``agent_off`` the guard is alone (its agent was killed). The grid is
    away in ``outages``. With an ``exchange`` the home trades there; its ``prices`` are then nobody's. ``load_shares`` are what each phase carries of the load. Without an ``agent`` the guard is alone. ``plan_minutes`` lie between
    two plans (5 at a real home, but a plan is most of what a simulated day costs). A scenario's plan steers at
    once (``planner.first_days = "live"``) unless ``settings`` say otherwise.
    """

    start: datetime
    hours: float = 24.0
    script: Script = field(default_factory=Script)
    house: House = field(default_factory=House)
    equipment: Equipment = field(default_factory=Equipment)
    soc_pct: float = 50.0
    settings: Mapping[str, Any] = field(default_factory=dict)
    prices: PriceSource | None = None
    exchange: ExchangeDay | None = None
    commands: Sequence[Said] = ()
    past_days: int = 0
    off: Sequence[Span] = ()
    agent_off: Sequence[Span] = ()
    outages: Sequence[Span] = ()
    load_shares: tuple[float, float, float] = (1 / 3, 1 / 3, 1 / 3)
    agent: bool = True
    plan_minutes: float = 15.0
    boiler: Boiler | None = None  # the device ``boiler``; its water is said in ``heat``
    heat_pump: HeatPump | None = None  # the device ``heat-pump``
    heat: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def begins(self) -> datetime:
        """When its clock begins."""
        return self.start + ODD

    @property
    def end(self) -> datetime:
        return self.start + timedelta(hours=self.hours)

    def scenario(self) -> Scenario:
        """As physics takes it."""
        return Scenario(
            start=self.begins, house=self.house, soc_pct=self.soc_pct, car=None, script=self.script,
            load_shares=self.load_shares, boiler=self.boiler, heat_pump=self.heat_pump,
        )  # fmt: skip

    def made_settings(
        self,
        folder: Path,
        devices: Sequence[Mapping[str, Any]],
        url: str = "",
        broker_port: int = 1883,
    ) -> Settings:
        """The gateway's settings with these devices; ``url`` is where prices are posted, if anywhere."""
        raw: dict[str, Any] = {
            "state_dir": folder,
            "device": [*devices, *self._heaters()],
            "control": {"period_s": 10},
            "planner": {"horizon_h": 24, "first_days": "live"},
            "site": {"time_zone": "UTC"},
            "dashboard": {"enabled": False},
            "mqtt": {"publish_s": 600, "port": broker_port},
            "tariff": {
                "import_price": {"kind": "flat", "per_kwh": "0.14"},
                "export_price": {"kind": "flat", "per_kwh": "0.08"},
            },
            "car": {"energy_wh": 0},
        }
        if self.exchange is not None:
            raw["market"] = {"exchange": "cts", "url": url, "party_id": "home"}
            raw["tariff"] = {"import_price": {"kind": "flat", "per_kwh": "0.14"}}
        elif url:
            raw["market"] = {"exchange": "posted-price", "url": url, "trading": False}
            published = {"kind": "published"}
            raw["tariff"] = {"import_price": published, "export_price": published}
        for table, values in self.settings.items():
            known = raw.get(table)
            if isinstance(known, dict) and isinstance(values, Mapping):
                both = {**known, **values}
                raw[table] = {key: value for key, value in both.items() if value is not None}
            else:
                raw[table] = values
        return Settings.model_validate(raw)

    def _heaters(self) -> list[dict[str, Any]]:
        """As gateway.toml has them; where they are is the site's matter."""
        return [
            {"name": name, "profile": HEATERS[name], "host": "x", "steer": "always", "heat": dict(heat)}
            for name, heat in self.heat.items()
        ]  # fmt: skip

    def past(self) -> list[Observed]:
        """Quarter-hours of the same script before the start."""
        rows = []
        at = self.start - timedelta(days=self.past_days)
        while at < self.start:
            moments = [at + i * _PAST_STEP for i in range(QUARTER // _PAST_STEP)]
            load, sun = (
                sum(watts(m) for m in moments) / len(moments) / 4
                for watts in (self.script.load_w, self._sun_w)
            )
            rows.append(Observed(Interval(at, at + QUARTER), load, sun))
            at += QUARTER
        return rows

    def _sun_w(self, time: datetime) -> float:
        return self.script.sun_w(time) + self.script.ac_sun_w(time)

    def lives(self) -> list[Span]:
        """The spans in which the gateway runs."""
        return _between(self.off, self.start, self.end)

    def agents(self, begin: datetime, end: datetime) -> list[Span]:
        """The spans of one such life in which it has an agent."""
        return _between(self.agent_off, begin, end) if self.agent else []


def _between(gaps: Sequence[Span], begin: datetime, end: datetime) -> list[Span]:
    """What is left of a span without ``gaps``."""
    inside = sorted((max(a, begin), min(b, end)) for a, b in gaps if a < end and b > begin)
    borders = [begin, *(moment for span in inside for moment in span), end]
    pairs = zip(borders[::2], borders[1::2], strict=True)
    return [(a, b) for a, b in pairs if a < b]
