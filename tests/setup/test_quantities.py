"""What people write for an energy, a fuse, a price is what they mean."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import time
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.setting_kinds import DAYS
from gateway.setup import quantities as q


@pytest.mark.parametrize(
    ("read", "text", "meant"),
    [
        (q.energy_wh, "13.5 kWh", 13500),
        (q.energy_wh, "13,5", 13500),
        (q.energy_wh, "13500", 13500),
        (q.energy_wh, "13500 wh", 13500),
        (q.energy_wh, "10kWh", 10000),
        (q.power_w, "5 kW", 5000),
        (q.power_w, "4600", 4600),
        (q.power_w, "0", 0),
        (q.percent, "20 %", 20),
        (q.amperes, "16 A", 16),
        (q.fuse, "3x35 A", q.FuseSize(35, 3)),
        (q.fuse, "1 x 63", q.FuseSize(63, 1)),
        (q.fuse, "25", q.FuseSize(25, 3)),
        (q.price, "29 ct", Decimal("0.29")),
        (q.price, "0,29", Decimal("0.29")),
        (q.price, "0.29 EUR", Decimal("0.29")),
        (q.price, "-0.01", Decimal("-0.01")),
        (q.clock_time, "7:05", time(7, 5)),
        (q.days, "mon-fri", DAYS[:5]),
        (q.days, "sat-mon", ("mon", "sat", "sun")),
        (q.days, "daily", DAYS),
        (q.days, "wed,mon", ("mon", "wed")),
        (q.place, "41.88, -87.63", (41.88, -87.63)),
        (q.currency, "eur", "EUR"),
    ],
)
def test_it_is_read_as_meant(read: Callable[[str], Any], text: str, meant: Any) -> None:
    assert read(text) == meant


@pytest.mark.parametrize(
    ("read", "text", "why"),
    [
        (q.energy_wh, "much", "13.5 kWh"),
        (q.energy_wh, "13.5 kW", "13.5 kWh"),
        (q.power_w, "5 kWh", "5 kW"),
        (q.percent, "120", "not above 100"),
        (q.fuse, "4x35", "3x35 A"),
        (q.price, "cheap", "0.29 or 29 ct"),
        (q.windows, "22:00 0.12", "22:00-06:00 0.12"),
        (q.windows, "22:00-25:00 0.12", "time of day"),
        (q.place, "91 0", "latitude"),
        (q.url, "https://", "https://"),
        (q.time_zone, "Middle-earth/Shire", "America/Chicago"),
        (q.days, "someday", "days of the week"),
    ],
)
def test_what_is_wrong_is_told_what_would_be_right(
    read: Callable[[str], Any], text: str, why: str
) -> None:
    with pytest.raises(ValueError, match=r".") as told:
        read(text)
    assert why in str(told.value)


def test_windows_of_a_day() -> None:
    night, peak = q.windows("22:00-06:00 0.12; 17:00-20:00 41 ct mon-fri".replace("41 ct", "0.41"))
    assert night == q.PriceWindow(time(22), time(6), Decimal("0.12"))
    assert peak == q.PriceWindow(time(17), time(20), Decimal("0.41"), DAYS[:5])


@given(st.text(max_size=30))
def test_no_text_does_worse_than_be_refused(text: str) -> None:
    for read in (
        q.energy_wh,
        q.power_w,
        q.percent,
        q.fuse,
        q.price,
        q.windows,
        q.place,
        q.days,
        q.clock_time,
        q.url,
        q.time_zone,
    ):
        with suppress(ValueError):
            read(text)
