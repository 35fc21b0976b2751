"""The past by day, week, month and year, beside the one before it, as the JSON and CSV that the page takes. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Literal, Self, get_args
from zoneinfo import ZoneInfo

from gateway.domain.decisions import PlannedQuarter
from gateway.domain.intervals import iso
from gateway.store.energies import NAMES, Energies, self_sufficiency_pct, total

Kind = Literal["day", "week", "month", "year"]
KINDS: tuple[Kind, ...] = get_args(Kind)
_QUARTER, _DAY = timedelta(minutes=15), timedelta(days=1)
_DECEMBER = 12


@dataclass(frozen=True, slots=True)
class Period:
    """A local day, week (from Monday), month or year. ``first`` is its first day."""

    kind: Kind
    first: date
    zone: ZoneInfo

    @classmethod
    def around(cls, kind: Kind, day: date, zone: ZoneInfo) -> Self:
        """The period that contains ``day``."""
        match kind:
            case "week":
                day -= timedelta(days=day.weekday())
            case "month":
                day = day.replace(day=1)
            case "year":
                day = day.replace(month=1, day=1)
        return cls(kind, day, zone)

    @property
    def after(self) -> date:
        """The first day that is not in it any more."""
        match self.kind:
            case "day":
                return self.first + _DAY
            case "week":
                return self.first + 7 * _DAY
            case "month":
                return _next_month(self.first)
        return self.first.replace(year=self.first.year + 1)

    @property
    def before(self) -> Period:
        """The period of the same kind that ends where this one begins."""
        return Period.around(self.kind, self.first - _DAY, self.zone)

    @property
    def start(self) -> datetime:
        return _midnight(self.first, self.zone)

    @property
    def end(self) -> datetime:
        return _midnight(self.after, self.zone)

    def steps(self) -> Iterator[datetime]:
        """Where its parts begin: quarter-hours of a day, days of a week or month, months of a year."""
        if self.kind == "day":
            at = self.start
            while at < self.end:
                yield at
                at += _QUARTER
            return
        day = self.first
        while day < self.after:
            yield _midnight(day, self.zone)
            day = _next_month(day) if self.kind == "year" else day + _DAY

    @property
    def bounds(self) -> list[datetime]:
        """Where its parts begin, and its end."""
        return [*self.steps(), self.end]


def past(
    period: Period,
    energies: Sequence[Energies],
    before: Sequence[Energies],
    planned: Mapping[str, Sequence[PlannedQuarter]] | None = None,
) -> dict[str, Any]:
    """Energies in Wh by part (of `Period.bounds`), their sum, and that of the period before; of a day what was ``planned`` for it."""
    parts = list(zip(period.steps(), energies, strict=True))
    columns: dict[str, Any] = {name: [_whole(getattr(e, name)) for _, e in parts] for name in NAMES}
    return {
        "period": period.kind,
        "start": period.start.timestamp(),
        "end": period.end.timestamp(),
        "first": period.first.isoformat(),
        "previous": period.before.first.isoformat(),
        "next": period.after.isoformat(),
        "time_zone": period.zone.key,
        "time": [start.timestamp() for start, _ in parts],
        **columns,
        "planned": {
            ahead: _as_planned(parts, kept) for ahead, kept in (planned or {}).items() if kept
        },
        "total": _sums(energies),
        "before": _sums(before),
    }


def _as_planned(
    parts: Sequence[tuple[datetime, Energies]], planned: Sequence[PlannedQuarter]
) -> dict[str, list[int | None]]:
    """The same columns as the day's own, part by part."""
    known = {quarter.start: _flows(quarter) for quarter in planned}
    return {name: [_whole(getattr(known.get(at), name, None)) for at, _ in parts] for name in NAMES}


def _flows(q: PlannedQuarter) -> Energies:
    return Energies(
        q.pv_wh,
        q.load_wh + q.car_wh,
        max(q.grid_wh, 0.0),
        max(-q.grid_wh, 0.0),
        max(-q.battery_wh, 0.0),
        max(q.battery_wh, 0.0),
        q.car_wh,
    )


def as_csv(period: Period, parts: Sequence[Energies]) -> str:
    """One line a part, with a header; what is not known is an empty field."""
    lines = [",".join(["start", *NAMES])]
    for start, energies in zip(period.steps(), parts, strict=True):
        values = [_whole(getattr(energies, name)) for name in NAMES]
        lines.append(",".join([iso(start), *("" if v is None else str(v) for v in values)]))
    return "\n".join(lines) + "\n"


def _sums(parts: Sequence[Energies]) -> dict[str, Any]:
    """The sum, and the share of what was used that did not come from the grid (%)."""
    whole = total(parts)
    sums: dict[str, Any] = {name: _whole(getattr(whole, name)) for name in NAMES}
    own = self_sufficiency_pct(whole)
    return sums | {"self_sufficiency_pct": None if own is None else round(own)}


def _whole(energy_wh: float | None) -> int | None:
    return None if energy_wh is None else round(energy_wh)


def _next_month(day: date) -> date:
    first = day.replace(day=1)
    if first.month == _DECEMBER:
        return first.replace(year=first.year + 1, month=1)
    return first.replace(month=first.month + 1)


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), zone).astimezone(UTC)
