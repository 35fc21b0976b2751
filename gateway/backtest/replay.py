"""A home's own past, read from its files and replayed: the comparison as a dictionary, and as lines for people."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from gateway.backtest.case import case_from
from gateway.backtest.past import OwnPast, own_past
from gateway.backtest.what_if import Change, what_if
from gateway.clock import WallClock
from gateway.config.load import load_settings
from gateway.domain.intervals import floor_quarter
from gateway.errors import ConfigError
from gateway.store.history import History
from gateway.tariff import TariffRules

FILE = "history.sqlite"
_KEPT = timedelta(days=400)
_LEARNT = timedelta(
    days=28
)  # before what is judged: the gateway knows the home by then, as it does now
_ROWS = (
    ("without_battery", "without a battery"),
    ("self_consumption", "battery, self-consumption"),
    ("gateway", "with the gateway"),
)


@dataclass(frozen=True, slots=True)
class Asked:
    """``days`` back from the newest quarter-hour; ``battery_now_kwh`` where the configuration does not say its size."""

    days: int
    change: Change
    battery_now_kwh: float | None = None


def replay(config: Path, asked: Asked) -> dict[str, Any]:
    """See `what_if`. Raises ConfigError."""
    settings, case = load_settings(config), case_from(config)
    stated = settings.battery.capacity_wh is not None
    if asked.battery_now_kwh is not None and not stated:
        case = case.with_battery(1000 * asked.battery_now_kwh, case.battery.wear_per_mwh)
    past = _past(settings.state_dir, asked.days, case.tariff)
    has_battery = stated or asked.battery_now_kwh is not None
    return what_if(past, case, asked.change, has_battery=has_battery)


def _past(state_dir: Path, days: int, tariff: TariffRules) -> OwnPast:
    file = state_dir / FILE
    if not file.exists():
        raise ConfigError(f"{file}: there is no history of this home yet")
    history = History(file, read_only=True)
    try:
        every = history.quarters(WallClock().now() - _KEPT)
        if not every:
            return own_past([], {}, tariff)
        newest = every[-1].interval.end
        since = newest - timedelta(days=days)
        seen: dict[datetime, float] = {}
        for minute in history.minutes(since - _LEARNT, newest):
            if minute.import_price_per_kwh is not None:
                seen.setdefault(floor_quarter(minute.time), minute.import_price_per_kwh)
    finally:
        history.close()
    recent = [q for q in every if q.interval.start >= since - _LEARNT]
    return own_past(recent, seen, tariff, since)


def lines(result: dict[str, Any]) -> Iterator[str]:
    """A table of the bills, and what was not known."""
    days = result["quarters"] / 96
    yield f"{result['first']} to {result['end']}, {days:.1f} days, {result['currency']} to pay"
    yield f"  {'':<28}{'as it is':>10}{'as asked':>10}{'less':>10}"
    for key, label in _ROWS:
        now, then = result["now"][key], result["then"][key]
        cells = ["-" if bill is None else f"{bill['bill']:.2f}" for bill in (now, then)]
        less = "-" if now is None or then is None else f"{now['bill'] - then['bill']:.2f}"
        yield f"  {label:<28}{cells[0]:>10}{cells[1]:>10}{less:>10}"
    worn = [_wear(result[when]) for when in ("now", "then")]
    if any(worn):
        yield "  what the gateway wears the battery stands on no bill, but in its plans:"
        yield f"  {'wear':<28}{worn[0]:>10.2f}{worn[1]:>10.2f}{worn[0] - worn[1]:>10.2f}"
    if result["filled"]:
        yield f"  {result['filled']} quarter-hours were not measured: taken from another day"
    if result["unpriced"]:
        yield f"  {result['unpriced']} quarter-hours have no known price: taken from another day"


def _wear(bills: dict[str, Any]) -> float:
    planned = bills["gateway"]
    return float(planned["wear"]) if planned else 0.0
