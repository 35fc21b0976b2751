"""What the page shows of the home at one moment; the service provides it, the page only draws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from gateway.bill.home import Bills
from gateway.domain.control import Setpoints
from gateway.domain.decisions import Ahead, Decision, PhaseDecision, PlannedQuarter
from gateway.domain.plan import OfferCurve, Plan
from gateway.domain.readings import Quality, Snapshot
from gateway.domain.sentences import Sentence
from gateway.domain.trade import Metered, Settlement, Transaction
from gateway.domain.user_settings import UserSettings
from gateway.store.book import TenderState
from gateway.store.car_quarters import CarPast
from gateway.store.energies import Energies
from gateway.store.events import Event
from gateway.store.minutes import Minute

_MEASURED_BY = {
    "pv_w": "pv_power_w",
    "battery_w": "battery_power_w",
    "charger_w": "charger_state",
}  # a power of the home -> the metric of the device that has it


@dataclass(frozen=True, slots=True)
class HomeView:
    """The home, its plan and its account. Empty and None where there is nothing or it is not known.

    ``minutes``, ``decisions`` and ``phases`` reach back at least to the local midnight, in order; ``tenders``, ``transactions``, ``metered``
    and ``settlements`` are recent ones in any order. ``links`` says of the broker and the exchange
    whether they are reached. ``account_money`` and ``today_money`` are 1e-8 currency units to the
    home. ``bills`` are the retailer's, of today and this month. A price that is not known has an estimate in its place. ``trading`` is None in a home without an exchange, ``programme`` False in one without. ``car_soc_pct`` is of the car that stands there, where something tells it. ``notes`` are the alarms, ``events`` what happened, the newest first; ``answered`` says by device how many polls of the last
    hour were answered, and how many there were. ``capacity_wh`` turns planned energy into a state of charge.
    """

    site: str
    time: datetime
    time_zone: str = "UTC"
    currency: str = "USD"
    version: str = ""
    snapshot: Snapshot | None = None
    setpoints: Setpoints = field(default_factory=Setpoints)
    minutes: Sequence[Minute] = ()
    decisions: Sequence[Decision] = ()
    phases: Sequence[PhaseDecision] = ()
    plan: Plan | None = None
    capacity_wh: float | None = None
    offer: OfferCurve | None = None
    position_wh: int | None = None
    next_position_wh: int | None = None
    import_price_per_kwh: float | None = None
    export_price_per_kwh: float | None = None
    import_estimate_per_kwh: float | None = None
    export_estimate_per_kwh: float | None = None
    market_price_per_kwh: float | None = None
    stored_value_per_kwh: float | None = None
    trading: bool | None = None
    programme: bool = True
    bills: Bills | None = None
    tenders: Sequence[TenderState] = ()
    transactions: Sequence[Transaction] = ()
    metered: Sequence[Metered] = ()
    settlements: Sequence[Settlement] = ()
    account_money: int | None = None
    today_money: int | None = None
    links: Mapping[str, bool] = field(default_factory=dict)
    notes: tuple[Sentence, ...] = ()
    settings: UserSettings = field(default_factory=UserSettings)
    car_soc_pct: float | None = None
    answered: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    events: Sequence[Event] = ()


def absent(seen: Snapshot | None) -> frozenset[str]:
    """Parts that this home does not have: none of its devices measures them.

    Nothing is absent before every device has answered once; one that is lost still has its readings.
    """
    if seen is None or not all(d.readings for d in seen.devices.values()):
        return frozenset()
    had = {
        r.metric
        for d in seen.devices.values()
        for r in d.readings.values()
        if r.quality is not Quality.ABSENT
    }
    return frozenset(part for part, metric in _MEASURED_BY.items() if metric not in had)


class HomeSource(Protocol):
    """Where the page gets its picture and brings its commands."""

    def latest(self) -> HomeView | None:
        """The home now; None before the first look at it. Called about once a second for each page."""

    async def energies(self, bounds: Sequence[datetime]) -> Sequence[Energies]:
        """What flowed between one of ``bounds`` and the next, as far as it was seen."""

    async def planned(
        self, ahead: Ahead, since: datetime, until: datetime
    ) -> Sequence[PlannedQuarter]:
        """What was planned for the half-open span, in order: at the start of its day, or an hour ahead."""

    async def car_past(self, since: datetime, until: datetime) -> CarPast:
        """When a car charged in the half-open span, and when none stood there."""

    @property
    def can_report(self) -> bool:
        """Whether `report` and `what_if` can be asked for: there is a configuration file to report on."""

    async def report(self) -> bytes:
        """What `energy-gateway dump` prints, masked. Raises ErrandError."""

    async def what_if(self, words: Sequence[str]) -> bytes:
        """The JSON of `energy-gateway backtest --history` with ``words`` more. Raises ErrandError."""

    async def command(self, name: str, payload: bytes) -> Mapping[str, Any]:
        """Carry a command out (the JSON that the broker's ``cmd/<name>`` takes); its answer."""
