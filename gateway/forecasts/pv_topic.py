"""A PV forecast that another program publishes on an MQTT topic: Home Assistant's own, by an automation.

The payload is what Home Assistant's Energy dashboard takes of a forecast: an object of moments (ISO 8601 with an offset), each with the
Wh from it to the next one.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from gateway.domain.intervals import Interval, parse_utc
from gateway.errors import ForecastError
from gateway.forecasts.pv_provider import ProvidedPower, even

MOST_BYTES = 64 * 1024
_MOST_ROWS = 1_000
_LONGEST = timedelta(hours=2)  # a longer step is the night between two days
_USUAL = timedelta(hours=1)  # of the last row, which no other follows


@dataclass
class TopicForecast:
    """See `gateway.forecasts.pv_provider.PvProvider`; `hear` is called with what is published."""

    topic: str
    name: str = "mqtt"
    period: timedelta = timedelta(minutes=15)
    keeps: timedelta = timedelta(hours=12)
    _heard: bytes = b""

    def hear(self, payload: bytes) -> None:
        self._heard = payload if len(payload) <= MOST_BYTES else b"too much"

    async def fetch(self, now: datetime) -> Sequence[ProvidedPower]:
        if not self._heard:
            raise ForecastError(f"nothing was published on the topic {self.topic} yet")
        try:
            said = json.loads(self._heard)
        except (ValueError, RecursionError) as error:
            raise ForecastError("it published no JSON") from error
        if not isinstance(said, dict) or len(said) > _MOST_ROWS:
            raise ForecastError(f"it published no object of at most {_MOST_ROWS} moments")
        found = sorted((parse_utc(moment), _energy_wh(wh)) for moment, wh in said.items())
        rows = [
            ProvidedPower(Interval(start, end), even(wh * 3600 / (end - start).total_seconds()))
            for (start, wh), (end, _) in pairwise(found)
            if timedelta(0) < end - start <= _LONGEST
        ]
        if found:
            start, wh = found[-1]
            rows.append(ProvidedPower(Interval(start, start + _USUAL), even(wh)))
        return rows


def _energy_wh(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{value!r} is no energy")
    return float(value)
