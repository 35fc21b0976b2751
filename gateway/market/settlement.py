"""What an interval is worth by the market's rules, and what is left for the retailer. Pure integers.

Energy Wh, prices ticks (0.01 per MWh), money 1e-8 units; P is the position and M the metered net
quantity, both sell +. Source of the rules: the market description in docs/exchange.md.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from gateway.domain.trade import Transaction

DEADBAND_WH = 100  # a deviation this small is free of the fee
DEADBAND_PCT = 5  # or this part of the position, in whole Wh, whichever is larger


@dataclass(frozen=True, slots=True)
class Expected:
    """What the home expects for an interval; amounts are money to the home, 1e-8 units."""

    position_wh: int
    metered_wh: int
    energy_money: int
    imbalance_money: int
    uncontracted_money: int
    fee_money: int

    @property
    def total_money(self) -> int:
        return self.energy_money + self.imbalance_money + self.uncontracted_money + self.fee_money


def counted_wh(position_wh: int, metered_wh: int) -> int:
    """M': the part of the metered energy that counts toward a position of this sign."""
    if position_wh > 0:
        return max(metered_wh, 0)
    return min(metered_wh, 0) if position_wh < 0 else 0


def delivered_wh(position_wh: int, metered_wh: int) -> int:
    """How much of a sold position the meter saw go out: min(max(M, 0), P)."""
    return max(0, min(metered_wh, position_wh))


def uncontracted_wh(position_wh: int, metered_wh: int) -> int:
    """Export that no position covers: it earns the published export price and bears no fee."""
    return max(metered_wh, 0) if position_wh <= 0 else 0


def retail_import_wh(position_wh: int, metered_wh: int) -> int:
    """Import that the retailer bills. With a bought position all import is settled in the market."""
    return max(-metered_wh, 0) if position_wh >= 0 else 0


def retail_money(position_wh: int, metered_wh: int, import_ticks: int) -> int:
    """Money of the retail side, 1e-8 units, <= 0 at a positive price."""
    return -retail_import_wh(position_wh, metered_wh) * import_ticks


def excess_wh(position_wh: int, metered_wh: int) -> int:
    """Deviation beyond the deadband, whole Wh."""
    deviation = abs(counted_wh(position_wh, metered_wh) - position_wh)
    return max(0, deviation - max(abs(position_wh) * DEADBAND_PCT // 100, DEADBAND_WH))


def expected(
    fills: Iterable[Transaction],
    metered_wh: int,
    imbalance_ticks: int,
    export_ticks: int,
    fee_ticks: int,
) -> Expected:
    """The settlement that the home expects from its own fills and its own meter."""
    trades = list(fills)
    position = sum(t.net_wh for t in trades)
    deviation = counted_wh(position, metered_wh) - position
    return Expected(
        position_wh=position,
        metered_wh=metered_wh,
        energy_money=sum(t.money for t in trades),
        imbalance_money=deviation * imbalance_ticks,
        uncontracted_money=uncontracted_wh(position, metered_wh) * export_ticks,
        fee_money=-excess_wh(position, metered_wh) * fee_ticks,
    )
