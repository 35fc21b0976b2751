"""Where prices do not tell what to do: store the sun while it shines, use what is stored."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gateway.backtest.case import Case
from gateway.backtest.data import Series
from gateway.backtest.simulate import self_consumption, simulate
from gateway.config.tariff import Tariff
from gateway.planner import strategy
from gateway.tariff import TariffRules
from tests.planner.conftest import FIRST


def flat(case: Case, export: str = "0") -> Case:
    prices = {
        "import_price": {"kind": "flat", "per_kwh": "0.14"},
        "export_price": {"kind": "flat", "per_kwh": export},
    }
    return replace(case, tariff=TariffRules(Tariff.model_validate(prices), case.zone))


def sunny(days: int, peak_wh: float) -> Series:
    """Every day the same sun and the same little load; the market is not asked."""
    hour = (np.arange(days * 96) % 96) / 4
    pv = peak_wh * np.clip(np.sin((hour - 6) / 12 * np.pi), 0, None)
    return Series(FIRST, np.full(hour.size, 110.0), pv, np.full(hour.size, 30.0), np.full(hour.size, 30.0))  # fmt: skip


@pytest.mark.parametrize("export", ["0", "0.05"])
def test_the_morning_sun_is_stored_for_the_afternoon_may_bring_none(
    case: Case, export: str
) -> None:
    """After a week of sun a storm at 12:30: who exported the morning's sun sits in the dark."""
    case, series = flat(case, export), sunny(8, 2_000)
    series.pv[7 * 96 + 50 :] = 0.0
    ours, greedy = simulate(series, case, strategy("value")), self_consumption(series, case)
    assert ours.stored[7 * 96 + 50] > 12_000
    assert ours.total > greedy.total - 0.05


def test_at_a_flat_price_what_is_stored_is_used(case: Case) -> None:
    case, series = flat(case), sunny(2, 0)
    ours, greedy = simulate(series, case, strategy("value")), self_consumption(series, case)
    assert ours.stored[95] == pytest.approx(case.battery.reserve_wh)
    assert ours.total == pytest.approx(greedy.total, abs=1e-6)
