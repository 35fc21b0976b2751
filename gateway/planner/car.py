"""When the car charges: the cheapest intervals before departure, and whether it can be ready."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.domain.plan import CarNeed, Forecast, Outlook


def car_course(outlook: Outlook) -> tuple[list[float], tuple[str, ...]]:
    """AC Wh into the car by interval, and notes when it cannot be ready in time."""
    car, forecasts = outlook.car, outlook.forecasts
    if car is None or car.energy_wh <= 0:
        return [0.0] * len(forecasts), ()
    most = [_possible(f, car, outlook) for f in forecasts]
    left = min(car.energy_wh, sum(most))
    taken = [0.0] * len(forecasts)
    for i in sorted(range(len(forecasts)), key=lambda i: (_cost(forecasts[i]), i)):
        taken[i] = min(most[i], left)
        left -= taken[i]
    return taken, _notes(car, sum(most), forecasts)


def _possible(forecast: Forecast, car: CarNeed, outlook: Outlook) -> float:
    start = max(forecast.interval.start, outlook.now)
    end = min(forecast.interval.end, car.departure)
    hours = max((end - start).total_seconds(), 0.0) / 3600
    return car.max_power_w * hours


def _cost(forecast: Forecast) -> float:
    surplus = forecast.pv_wh[1] > forecast.load_wh[1]
    return forecast.export_price if surplus else forecast.import_price


def _notes(car: CarNeed, possible: float, forecasts: Sequence[Forecast]) -> tuple[str, ...]:
    reaches = bool(forecasts) and forecasts[-1].interval.end >= car.departure
    if possible + 1e-6 >= car.energy_wh or not reaches:
        return ()
    when = f"{car.departure:%Y-%m-%d %H:%M} UTC"
    gets = f"at {car.max_power_w:.0f} W it gets {possible:.0f} of {car.energy_wh:.0f} Wh"
    return (f"the car cannot be ready by {when}: {gets}",)
