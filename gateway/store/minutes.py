"""The home minute by minute: means of what was measured, and what energy cost meanwhile. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import astuple, dataclass
from datetime import datetime

from gateway.domain.readings import Snapshot


@dataclass(frozen=True, slots=True)
class Prices:
    """What a kWh cost and was worth, in currency units; None = not known."""

    import_price_per_kwh: float | None = None
    export_price_per_kwh: float | None = None
    stored_value_per_kwh: float | None = None


@dataclass(frozen=True, slots=True)
class Minute:
    """Means over the minute that begins at ``time``; powers W by the sign convention."""

    time: datetime
    pv_w: float | None = None
    load_w: float | None = None
    grid_w: float | None = None
    battery_w: float | None = None
    battery_soc_pct: float | None = None
    charger_w: float | None = None
    import_price_per_kwh: float | None = None
    export_price_per_kwh: float | None = None
    stored_value_per_kwh: float | None = None


_MEASURED = ("pv_w", "load_w", "grid_w", "battery_w", "battery_soc_pct", "charger_w")
_PRICES = ("import_price_per_kwh", "export_price_per_kwh", "stored_value_per_kwh")


class Means:
    """The running minute: sums and counts of what was known."""

    def __init__(self, time: datetime | None = None) -> None:
        self.time = time
        self._sums: dict[str, tuple[float, int]] = {}

    def add(self, snapshot: Snapshot, prices: Prices) -> None:
        for source, names in ((snapshot, _MEASURED), (prices, _PRICES)):
            for name in names:
                value = getattr(source, name)
                if value is not None:
                    total, count = self._sums.get(name, (0.0, 0))
                    self._sums[name] = (total + value, count + 1)

    def minute(self) -> Minute | None:
        """The means so far; None before anything was seen."""
        if self.time is None:
            return None
        means = {name: round(total / count, 6) for name, (total, count) in self._sums.items()}
        return Minute(self.time, **means)


def write_csv(minutes: Iterable[Minute], write: Callable[[str], object]) -> int:
    """Write minutes as CSV with a header; a value that is not known is an empty field."""
    names = ["time", *_MEASURED, *_PRICES]
    write(",".join(names) + "\n")
    count = 0
    for minute in minutes:
        values = astuple(minute)[1:]
        texts = ["" if value is None else f"{value:.6g}" for value in values]
        write(",".join([minute.time.strftime("%Y-%m-%dT%H:%M:%SZ"), *texts]) + "\n")
        count += 1
    return count
