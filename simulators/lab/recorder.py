"""Notes what happens in a scenario: the truth at each tick, plans, answers, and what is logged."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from zoneinfo import ZoneInfo

from gateway.agent.compose import Agent
from gateway.clock import SimClock, every
from gateway.config.settings import Settings
from gateway.domain.control import Setpoints
from gateway.domain.intervals import iso, quarter_of
from gateway.domain.plan import Plan
from gateway.ipc.messages import GuardReport
from gateway.tariff import TariffRules
from simulators.devices.view import View
from simulators.lab.lab import Lab, Said
from simulators.lab.result import Result, Sample
from simulators.physics.home import Home

_NOTHING = Setpoints()


class Recorder:
    """Notes the truth and what was asked, at each of its ticks, and what was logged."""

    def __init__(self, lab: Lab, home: Home, settings: Settings) -> None:
        self._lab, self._home = lab, home
        self._tariff = TariffRules(settings.tariff, ZoneInfo(settings.site.time_zone))
        self._period_s = settings.control.period_s
        self._view = View(home, sees_right=True)
        self.samples: list[Sample] = []
        self.plans: list[Plan] = []
        self.answers: dict[str, object] = {}
        self.log: list[str] = []
        self.account: list[str] = []
        self.report: GuardReport | None = None

    async def run(self, clock: SimClock) -> None:
        """Until cancelled."""
        async for now in every(clock, self._period_s):
            self.samples.append(self._sample(now))

    def plan(self, plan: Plan | None) -> None:
        """Keep the newest: a day's plans would fill the memory."""
        if plan is not None:
            self.plans = [plan]

    def result(self) -> Result:
        return Result(self.samples, self.log, self.answers, self.plans, self.account)

    def _storage_pct(self, stored_wh: float) -> float | None:
        other = self._home.house.storage
        return None if other is None else 100 * stored_wh / other.capacity_wh

    def _sample(self, now: datetime) -> Sample:
        state, truth = self._home.state(), self._home.truth()
        report, interval = self.report, quarter_of(now)
        source = self._lab.exchange or self._lab.prices
        posted = (None, None) if source is None else source.at(now)
        bought, sold = (None if p is None else 1000 * p for p in posted)
        return Sample(
            time=now,
            powers=state.powers,
            totals=state.totals,
            soc_pct=truth.soc_pct,
            phases_w=self._view.phases_w(),
            storage_pct=self._storage_pct(state.storage_wh),
            cars_w=(state.powers.ev, *(b.power_w for b in state.boxes)),
            cars_wh=(state.totals.ev, *self._home.boxes_wh()),
            setpoints=report.setpoints if report else _NOTHING,
            ordered=report is not None and report.order_holds,
            prices=(
                self._tariff.import_price(interval, None, bought),
                self._tariff.export_price(interval, None, sold),
            ),
            alarm_codes=tuple(a.about for a in report.alarms) if report else (),
            note_codes=tuple(n.about for n in self.plans[-1].notes) if self.plans else (),
            alarms=tuple(a.text for a in report.alarms) if report else (),
            notes=tuple(n.text for n in self.plans[-1].notes) if self.plans else (),
            boiler=state.boiler,
            pump=state.pump,
        )


class _Log(logging.Handler):
    """Keeps what the gateway says."""

    def __init__(self, lines: list[str], clock: SimClock) -> None:
        super().__init__(logging.INFO)
        self._lines, self._clock = lines, clock

    def emit(self, record: logging.LogRecord) -> None:
        at = f"{self._clock.now():%d %H:%M:%S}"
        self._lines.append(f"{at} {record.levelname} {record.getMessage()}")


@asynccontextmanager
async def listening(recorder: Recorder, clock: SimClock) -> AsyncIterator[None]:
    """While inside, what the gateway logs is kept."""
    log = logging.getLogger("gateway")
    handler, before = _Log(recorder.log, clock), log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(before)


async def given(
    lab: Lab, agent: Agent, recorder: Recorder, clock: SimClock, group: asyncio.TaskGroup
) -> None:
    """Gives the commands at their times; a participant, but its answers are waited for elsewhere."""

    async def one(said: Said, name: str) -> None:
        body = {"id": name, "ts": iso(clock.now()), "ttl_s": 600, "value": said.value}
        recorder.answers[name] = await agent.commands.handle(said.name, json.dumps(body).encode())

    first = clock.now()
    for number, said in enumerate(sorted(lab.commands, key=lambda s: s.at)):
        if said.at >= first:
            await clock.sleep_until(said.at)
            group.create_task(one(said, f"{said.name}-{number}"))
