"""Whether what a feed says can be right: units and magnitudes, by the currency and by what it said before. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from statistics import median

from gateway.config.bands import band
from gateway.domain.sentences import Sentence, sentence

# As shares of what a household pays for a kWh. Wholesale prices are a third of that, a scarce quarter-hour is
# capped at 5 USD (ERCOT), 4 EUR (SDAC), 20 AUD (NEM); half a day of it is 20 times what is usual nowhere.
_MOST, _MOST_MEDIAN, _LEAST = 150, 20, Decimal("0.002")
_TIMES = 100  # from one day to the next: between MWh and kWh there are a thousand, between cent and euro a hundred
_ENOUGH = 24  # quarter-hours
_MOST_CO2 = 2_500  # g a kWh; lignite has 1,200


def doubt(
    currency: str, new: Mapping[datetime, Decimal], before: Mapping[datetime, Decimal]
) -> Sentence | None:
    """Why these prices (per kWh, in the home's currency) are not believed, None if they may be right."""
    sizes = [abs(price) for price in new.values()]
    if not sizes:
        return None
    known = band(currency)
    if known is not None:
        why = _by_band(currency, Decimal(str(known.usual)), sizes)
        if why:
            return why
    past = [abs(price) for at, price in before.items() if at not in new]
    return _by_past(currency, sizes, past)


def doubt_co2(new: Mapping[datetime, Decimal]) -> Sentence | None:
    """The same of an intensity in g a kWh."""
    worst = max(new.values(), default=Decimal(0))
    if 0 <= worst <= _MOST_CO2:
        return None
    return sentence("price_doubted.co2", grams=f"{worst:.0f}")


def _by_band(currency: str, usual: Decimal, sizes: Sequence[Decimal]) -> Sentence | None:
    middle, most = median(sizes), max(sizes)
    if middle > _MOST_MEDIAN * usual or most > _MOST * usual:
        shown = most if most > _MOST * usual else middle
        return sentence("price_doubted", price=f"{shown:g} {currency}", usual=f"{usual:g}")
    if len(sizes) >= _ENOUGH and 0 < most < _LEAST * usual:
        return sentence("price_doubted.small", price=f"{most:g} {currency}", usual=f"{usual:g}")
    return None


def _by_past(currency: str, sizes: Sequence[Decimal], past: Sequence[Decimal]) -> Sentence | None:
    if min(len(sizes), len(past)) < _ENOUGH:
        return None
    now, then = median(sizes), median(past)
    if min(now, then) <= 0:
        return None
    times = max(now / then, then / now)
    if times < _TIMES:
        return None
    return sentence(
        "price_doubted.more" if now > then else "price_doubted.less",
        price=f"{now:.3g} {currency}",
        times=f"{times:.0f}",
        then=f"{then:.3g}",
    )
