"""What one party owes or gets for one delivery interval. Pure, exact integers (1e-8 USD).

Quantities are Wh with sell and export +, prices ticks of 0.01 USD/MWh, so their product is money.
What lies on the other side of zero from the position is not the market's: imports of a seller are
retail supply, exports of a buyer are paid at the export price.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
DEADBAND_PCT = 5
DEADBAND_WH = 100


@dataclass(frozen=True, slots=True)
class Rates:
    """Prices of one interval in ticks: imbalance (real time), the retailer's export price, the fee."""

    imbalance: int
    export: int
    fee: int


@dataclass(frozen=True, slots=True)
class Cash:
    """Money to the party by kind, 1e-8 USD. ``metered`` is what was counted, unclipped."""

    position: int
    metered: int
    energy: int
    imbalance: int
    uncontracted: int
    fee: int

    @property
    def total(self) -> int:
        return self.energy + self.imbalance + self.uncontracted + self.fee

    @property
    def against_retailer(self) -> int:
        """All that the retailer (LSE) is the counterparty of."""
        return self.imbalance + self.uncontracted + self.fee


def deadband(position: int) -> int:
    """Deviation in Wh without fee: 5 % of the position (rounded down) or 100 Wh, the larger."""
    return max(abs(position) * DEADBAND_PCT // 100, DEADBAND_WH)


def settle(
    fills: Iterable[tuple[int, int]], metered: int, rates: Rates, *, fee_waived: bool = False
) -> Cash:
    """Settle one party's interval; ``fills`` are (net Wh sell +, price ticks). ``fee_waived``: a seller's
    shortfall bears no fee, as exports were limited after the gate; what else deviates was not kept from it."""
    fills = list(fills)
    position = sum(net for net, _ in fills)
    energy = sum(net * price for net, price in fills)
    contracted, surplus = _split(position, metered)
    deviation = contracted - position
    free = position == 0 or (fee_waived and position > 0 > deviation)
    charged = 0 if free else max(0, abs(deviation) - deadband(position))
    return Cash(
        position=position,
        metered=metered,
        energy=energy,
        imbalance=deviation * rates.imbalance,
        uncontracted=surplus * rates.export,
        fee=-charged * rates.fee,
    )


def _split(position: int, metered: int) -> tuple[int, int]:
    """The metered Wh that answer for the position, and the surplus paid at the export price."""
    if position > 0:
        return max(metered, 0), 0
    if position < 0:
        return min(metered, 0), max(metered, 0)
    return 0, max(metered, 0)


@dataclass(frozen=True, slots=True)
class Columns:
    """The same for many parties of one interval: columns of equal length."""

    position: Ints
    metered: Ints
    energy: Ints
    imbalance: Ints
    uncontracted: Ints
    fee: Ints


def settle_columns(
    position: Ints, energy: Ints, metered: Ints, rates: Rates, *, fee_waived: bool = False
) -> Columns:
    """`settle` for every party at once; quantities are below 2^40 Wh, so that products fit."""
    sold, bought = position > 0, position < 0
    contracted = np.where(sold, np.maximum(metered, 0), np.where(bought, np.minimum(metered, 0), 0))
    surplus = np.where(sold, 0, np.maximum(metered, 0))
    deviation = contracted - position
    allowed = np.maximum(np.abs(position) * DEADBAND_PCT // 100, DEADBAND_WH)
    charged = np.maximum(0, np.abs(deviation) - allowed)
    charged[position == 0] = 0
    if fee_waived:
        charged[sold & (deviation < 0)] = 0
    return Columns(
        position=position,
        metered=metered,
        energy=energy,
        imbalance=deviation * rates.imbalance,
        uncontracted=surplus * rates.export,
        fee=-charged * rates.fee,
    )
