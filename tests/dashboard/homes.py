"""A believable home on a June afternoon, the same in every run, and a source that serves it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

from gateway.bill.account import Bill
from gateway.bill.home import Bills, HomeBill, Instead, Shares
from gateway.dashboard.spoken import spoken
from gateway.dashboard.view import HomeView
from gateway.domain.command_specs import COMMANDS
from gateway.domain.control import Reason, Setpoints
from gateway.domain.decisions import Ahead, Decision, PlannedQuarter
from gateway.domain.intervals import Interval, quarter, quarters
from gateway.domain.plan import (
    OfferCurve,
    OfferStep,
    Plan,
    PlannedInterval,
    ValueCurve,
)
from gateway.domain.readings import BatteryState, DeviceState, Quality, Reading, Snapshot
from gateway.domain.sentences import other, sentence
from gateway.domain.trade import Metered, Run, Settlement, Side, Tender, Transaction
from gateway.domain.user_settings import UserSettings
from gateway.errors import ErrandError
from gateway.store.book import TenderState
from gateway.store.car_quarters import CarPast, CarQuarter
from gateway.store.energies import Energies, total
from gateway.store.events import Event
from gateway.store.minutes import Minute

MIDNIGHT = datetime(2026, 6, 15, 5, tzinfo=UTC)  # in Chicago
NOW = MIDNIGHT + timedelta(hours=14, minutes=37, seconds=12)
CAPACITY_WH = 13_500.0


def pv_w(time: datetime) -> float:
    hour = (time - MIDNIGHT).total_seconds() / 3600 % 24
    clouds = 1 - 0.25 * max(0.0, math.sin(hour * 5.1))
    return max(0.0, 7200 * math.sin((hour - 6) / 14 * math.pi)) * clouds if 6 < hour < 20 else 0.0


def load_w(time: datetime) -> float:
    hour = (time - MIDNIGHT).total_seconds() / 3600 % 24
    return 450 + 900 * math.exp(-((hour - 7.5) ** 2)) + 1900 * math.exp(-(((hour - 19) / 1.8) ** 2))


def price(time: datetime) -> float:
    """Per MWh: cheap at noon, dear in the evening."""
    hour = (time - MIDNIGHT).total_seconds() / 3600 % 24
    return (
        32
        - 22 * math.exp(-(((hour - 12.5) / 3) ** 2))
        + 95 * math.exp(-(((hour - 19.5) / 1.4) ** 2))
    )


def battery_w(time: datetime) -> float:
    hour = (time - MIDNIGHT).total_seconds() / 3600 % 24
    if 9 < hour < 14:
        return -min(2400.0, max(0.0, pv_w(time) - load_w(time)))
    return (
        3200.0 if 18.5 < hour < 21 else min(900.0, load_w(time)) if hour >= 21 or hour < 6 else 0.0
    )


def schedule(start: datetime, end: datetime) -> tuple[PlannedInterval, ...]:
    steps, stored = [], 0.86 * CAPACITY_WH
    for interval in quarters(start, end):
        power = battery_w(interval.start)
        stored = min(CAPACITY_WH, max(0.2 * CAPACITY_WH, stored - power * 0.25))
        pv, load = pv_w(interval.start) / 4, load_w(interval.start) / 4
        grid = load - pv - power / 4
        now = price(interval.start)
        steps.append(
            PlannedInterval(interval, load, pv, power / 4, 0.0, grid, stored, 140.0, 30.0, now)
        )
    return tuple(steps)


def values(start: datetime, end: datetime) -> tuple[ValueCurve, ...]:
    grid = (0.0, 5000.0, 10_000.0, CAPACITY_WH)
    return tuple(
        ValueCurve(
            i, grid, tuple(v + 12 * math.sin(i.start.hour / 4) for v in (118.0, 96.0, 71.0, 40.0))
        )
        for i in quarters(start, end)
    )


def minutes() -> list[Minute]:
    rows, soc = [], 48.0
    for n in range(int((NOW - MIDNIGHT) / timedelta(minutes=1))):
        time = MIDNIGHT + timedelta(minutes=n)
        power = battery_w(time)
        soc = min(97.0, max(21.0, soc - power / 60 / CAPACITY_WH * 100))
        pv, load = pv_w(time), load_w(time) + 120 * math.sin(n * 1.7)
        rows.append(
            Minute(time, pv, load, load - pv - power, power, soc, 0.0, 0.14, 0.03,
                   0.071 + 0.02 * math.sin(n / 300))
        )  # fmt: skip
    return rows


def decisions() -> list[Decision]:
    noon = MIDNIGHT + timedelta(hours=9)
    return [
        Decision(
            MIDNIGHT,
            noon,
            Reason.SELF_CONSUMPTION,
            sentence("decided.serves", now="0.140 USD", given="0.121 USD"),
            0,
        ),
        Decision(
            noon,
            NOW,
            Reason.PRICE_CHARGE,
            sentence("decided.charges", now="0.030 USD", taken="0.071 USD"),
            -2400,
        ),
    ]


def reading(metric: str, value: float | str | None, quality: Quality = Quality.GOOD) -> Reading:
    return Reading(metric, value, quality, NOW - timedelta(seconds=2))


def snapshot() -> Snapshot:
    inverter = DeviceState(
        "inverter",
        True,
        {
            r.metric: r
            for r in (
                reading("pv_power_w", 5630.0),
                reading("pv_energy_wh", 18_734_210.0),
                reading("battery_power_w", -2400.0),
                reading("battery_soc_pct", 86.4),
                reading("battery_mode", "held"),
                reading("inverter_state", "mppt"),
            )
        },
    )
    meter = DeviceState(
        "meter",
        True,
        {
            "grid_power_w": reading("grid_power_w", -2710.0),
            "grid_import_wh": reading("grid_import_wh", 4_120_000.0),
            "grid_export_wh": reading("grid_export_wh", 9_341_250.0),
            "grid_frequency_hz": reading("grid_frequency_hz", None, Quality.BAD),
        },
    )
    charger = DeviceState(
        "charger",
        False,
        {"charger_state": reading("charger_state", "idle", Quality.STALE)},
        versions=("P30 v 3.10.57", "keba-p30"),
        fault=sentence("lost.unreachable", where="192.168.1.30:502"),
    )
    devices = {d.name: d for d in (inverter, meter, charger)}
    return Snapshot(
        NOW, devices, 5630.0, -2400.0, 86.4, -2710.0, 520.0, 0.0, False, None,
        4_120_000.0, 9_341_250.0, (BatteryState("inverter", -2400.0, 86.4),),
    )  # fmt: skip


def trade() -> tuple[list[TenderState], list[Transaction], list[Metered], list[Settlement]]:
    tenders, fills, metered, settled = [], [], [], []
    running = quarter(NOW.replace(minute=30, second=0))
    for n in range(-12, 5):
        start = running.start + n * timedelta(minutes=15)
        interval = Interval(start, start + timedelta(minutes=15))
        tender = Tender(
            f"t{n}", interval, Side.SELL, 500 + 10 * (n % 7), 3100 + 20 * n, interval.start
        )
        state = TenderState(tender, answered=True, accepted=n != -4, market_order_id=f"m{n}")
        if n < 2 and n != -4:
            state.filled_wh = tender.quantity_wh if n % 3 else tender.quantity_wh // 2
            fills.append(
                Transaction(f"x{n}", n + 20, f"t{n}", interval, Side.SELL, state.filled_wh, 3250)
            )
        if n < 0:
            net = state.filled_wh + 13
            metered.append(Metered(interval, 0, net, 4_120_000, 9_000_000))
            if n < -2:
                energy = state.filled_wh * 3250
                settled.append(
                    Settlement(f"s{n}", interval, Run.PRELIM, state.filled_wh, net, 2800,
                               energy, 13 * 2800, 0, -1200)
                )  # fmt: skip
        state.closed = n < 0
        tenders.append(state)
    return tenders, fills, metered, settled


SETTINGS = UserSettings(
    export_limit_w=5000.0, departure_energy_wh=10_000, trading=True, price_floor=Decimal("0.02")
)


LATE = sentence("feed_late", name="spot")


def view() -> HomeView:
    start = quarter(NOW.replace(minute=30, second=0)).start
    end = MIDNIGHT + timedelta(hours=48)
    tenders, fills, metered, settled = trade()
    steps = tuple(OfferStep(p, w) for p, w in ((20.0, -300), (31.0, 200), (42.0, 520), (68.0, 900), (97.0, 1250)))  # fmt: skip
    offer = OfferCurve(quarter(start + timedelta(minutes=30)), steps)
    plan = Plan(
        NOW, "value", values(start, end), offers=(offer,), schedule=schedule(start, end),
        notes=(sentence("car_late", time="2026-06-16 12:00 UTC", least="3000", wanted="9000"),),
    )  # fmt: skip
    return HomeView(
        site="home",
        time=NOW,
        time_zone="America/Chicago",
        version="0.1.0",
        snapshot=snapshot(),
        setpoints=Setpoints(batteries_w={"inverter": -2400}, reason=Reason.PRICE_CHARGE),
        minutes=minutes(),
        decisions=decisions(),
        plan=plan,
        capacity_wh=CAPACITY_WH,
        offer=offer,
        position_wh=270,
        next_position_wh=510,
        import_price_per_kwh=0.14,
        export_price_per_kwh=0.03,
        market_price_per_kwh=0.0164,
        stored_value_per_kwh=0.0714,
        trading=True,
        tenders=tenders,
        transactions=fills,
        metered=metered,
        settlements=settled,
        account_money=1_834_220_000,
        today_money=41_350_000,
        links={"Broker": True, "Exchange": True},
        settings=SETTINGS,
        notes=(sentence("meter_stands_still", power="-2710 W"),),
        answered={"inverter": (720, 720), "meter": (711, 720), "charger": (120, 720)},
        events=(
            Event("2026-06-15T19:20:00Z", "lost", "charger", "192.168.1.30:502: cannot connect"),
            Event("2026-06-15T14:00:00Z", "alarm", "", LATE.text, LATE),
            Event("2026-06-15T12:00:00Z", "started"),
        ),
    )


def bills() -> Bills:
    """Today's and the month's of the retailer; what is to pay is +."""

    def one(cents: int, more: int, since: datetime = MIDNIGHT) -> HomeBill:
        money = 10**6 * cents
        lines = Bill(since, NOW, 41_000, 9_000, money, 0, 0, 0)
        return HomeBill(lines, 0, Instead(2 * money, money + 10**6 * more, 3 * money), 96, 0, 96)

    began = MIDNIGHT - timedelta(days=93)
    return Bills(one(140, 35), one(4_210, 1_290), one(31_805, 9_120, began), Shares(83.4, 71, 64))


@dataclass
class Source:
    """Serves a view, and does what commands ask as the service would."""

    now: HomeView | None = field(default_factory=view)
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    refuse: str = ""
    can_report: bool = True
    wondered: list[tuple[str, ...]] = field(default_factory=list)

    def latest(self) -> HomeView | None:
        return self.now

    async def energies(self, bounds: Sequence[datetime]) -> list[Energies]:
        """Each quarter-hour the same, from a week ago on."""
        assert self.now is not None
        flows, found = Energies(1000, 600, 100, 300, 200, 0, None), []
        for since, until in pairwise(bounds):
            first, last = max(since, MIDNIGHT - timedelta(days=7)), min(until, self.now.time)
            count = len(list(quarters(first, last))) if first < last else 0
            found.append(total([flows] * count))
        return found

    async def planned(self, ahead: Ahead, since: datetime, until: datetime) -> list[PlannedQuarter]:
        """Half as much sun as came, for today alone."""
        if not since <= MIDNIGHT < until:
            return []
        return [
            PlannedQuarter(i.start, 600, 500 if ahead == "day" else 900, 0, 0, 100)
            for i in quarters(MIDNIGHT, MIDNIGHT + timedelta(hours=20))
        ]

    async def car_past(self, since: datetime, until: datetime) -> CarPast:
        """Two hours yesterday and one this morning, each quarter-hour 2 kWh, half of it from the sun."""
        flows = Energies(2000, 2500, 1250, 0, 0, 0, 2000)
        starts = [
            MIDNIGHT + timedelta(hours=h, minutes=15 * n)
            for h, count in ((-14, 8), (9, 4))
            for n in range(count)
        ]
        return CarPast(tuple(CarQuarter(at, flows, 0.30, 0.10) for at in starts), (MIDNIGHT,))

    async def report(self) -> bytes:
        if self.refuse:
            raise ErrandError(self.refuse)
        return b'{"gateway": "0.1.0"}'

    async def what_if(self, words: Sequence[str]) -> bytes:
        """A bigger battery saves a tenth."""
        self.wondered.append(tuple(words))
        if self.refuse:
            raise ErrandError(self.refuse)
        now = {"bill": 40.0, "wear": 1.0, "import_kwh": 150.0, "export_kwh": 20.0}
        bills = {
            "without_battery": {**now, "bill": 60.0},
            "self_consumption": {**now, "bill": 45.0},
        }
        return json.dumps({
            "currency": "USD", "first": "2026-06-01T05:00:00Z", "end": "2026-06-15T05:00:00Z", "quarters": 1344,
            "filled": 3, "unpriced": 0, "battery_kwh": 13.5,
            "now": {**bills, "gateway": now}, "then": {**bills, "gateway": {**now, "bill": 36.0}},
        }).encode()  # fmt: skip

    async def command(self, name: str, payload: bytes) -> Mapping[str, Any]:
        body = json.loads(payload)
        self.asked.append((name, body))
        if self.refuse:
            said = spoken(other(self.refuse))
            return {
                "id": body["id"],
                "status": "error",
                "code": "device",
                "message": self.refuse,
                "said": said,
            }
        assert self.now is not None
        changed = self.now.settings.changed(COMMANDS[name].read(body["value"]))
        self.now = replace(self.now, settings=changed)
        return {
            "id": body["id"],
            "status": "ok",
            "code": "",
            "message": "",
            "applied": body["value"],
        }
