"""How good the forecasts were: what was expected of past intervals against what came."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

from gateway.domain.plan import Forecast, Observed


@dataclass(frozen=True, slots=True)
class Error:
    """Of one quantity over ``count`` intervals: mean absolute error, bias (forecast - real), and the
    share of real values between the low and the high quantile (0.8 would be right)."""

    count: int
    mean_absolute: float
    bias: float
    inside: float


@dataclass(frozen=True, slots=True)
class ForecastScore:
    """Errors of load (Wh), PV (Wh) and market price (per MWh); None where nothing could be compared."""

    load: Error | None
    pv: Error | None
    price: Error | None


def forecast_score(forecasts: Iterable[Forecast], observed: Sequence[Observed]) -> ForecastScore:
    """Compares forecasts with what was observed in the same intervals."""
    real = {o.interval: o for o in observed}
    load, pv, price = [], [], []
    for f in forecasts:
        o = real.get(f.interval)
        if o is None:
            continue
        if o.load_wh is not None:
            load.append((*f.load_wh, o.load_wh))
        if o.pv_wh is not None and not o.held_back:
            pv.append((*f.pv_wh, o.pv_wh))
        if o.rt_price is not None:
            low, high = _outer(f)
            price.append((low, f.market_price, high, o.rt_price))
    return ForecastScore(_error(load), _error(pv), _error(price))


def _outer(forecast: Forecast) -> tuple[float, float]:
    """Scenarios near the 0.1 and 0.9 quantiles (see `prices.RANKS`), or the expected price alone."""
    s = forecast.market_scenarios
    if not s:
        return forecast.market_price, forecast.market_price
    # Scores run from -2.6 to 3.4: -1.28 and 1.28 lie at these parts of the way.
    return s[round(0.22 * (len(s) - 1))], s[round(0.647 * (len(s) - 1))]


def _error(rows: Sequence[tuple[float, float, float, float]]) -> Error | None:
    if not rows:
        return None
    return Error(
        count=len(rows),
        mean_absolute=fmean(abs(middle - real) for _, middle, _, real in rows),
        bias=fmean(middle - real for _, middle, _, real in rows),
        inside=fmean(low <= real <= high for low, _, high, real in rows),
    )
