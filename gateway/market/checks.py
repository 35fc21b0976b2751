"""Is it true what the exchange says? A fill against its tender, a settlement against our account. Pure.

Each check answers with a sentence that says what is wrong, or None. What is wrong is kept as evidence
(`disputed` rows of the journal), moves no energy and no money, and after a few of them trading pauses.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.domain.intervals import Interval
from gateway.domain.trade import (
    MarketRules,
    MeterQuality,
    Run,
    Settlement,
    Transaction,
    money_text,
)
from gateway.market.exchanges import PublishedPrices
from gateway.market.settlement import expected
from gateway.store.book import Book, TenderState

FEW = 3  # disputes in a week; from then on trading pauses
_WEEK = timedelta(days=7)
_PAUSE = timedelta(hours=1)
_METER_PCT, _METER_WH = 10, 200  # a revenue meter may count so much differently


def fill_fault(book: Book, fill: Transaction, now: datetime, taken_wh: int = 0) -> str | None:
    """What is wrong with a fill that the account does not have yet.

    ``taken_wh`` of its tender are filled by others that are just being taken.
    """
    known = book.transactions.get(fill.transaction_id)
    if known is not None:
        return f"the number of another fill ({known.quantity_wh} Wh at {known.price_ticks} ticks)"
    state = book.tenders.get(fill.tender_id)
    if state is None:
        return "of a tender that we never made"
    tender = state.tender
    if fill.side is not tender.side:
        return f"{fill.side}, but the tender was to {tender.side}"
    if fill.interval != tender.interval:
        return f"of {fill.interval}, but the tender was of {tender.interval}"
    left_wh = max(0, _left_wh(state) - taken_wh)
    if fill.quantity_wh > left_wh:
        return f"{fill.quantity_wh} Wh, but {left_wh} Wh of the tender were left"
    if tender.side.sign * (fill.price_ticks - tender.price_ticks) < 0:
        return f"at {fill.price_ticks} ticks, worse than the limit of {tender.price_ticks} ticks"
    if now >= fill.interval.end and book.last_contact >= fill.interval.start:
        return "made up after its interval: we asked after the gate had closed and there was none"
    return None


def _left_wh(state: TenderState) -> int:
    """What may still be filled: of a cancelled tender what was not taken back (a fill may be under way)."""
    if state.answered and not state.accepted:
        return 0
    return state.tender.quantity_wh - state.taken_back_wh - state.filled_wh


@dataclass(frozen=True, slots=True)
class SettlementChecks:
    """Settlements of one interval against the account. ``price`` is what the market published for it."""

    book: Book
    rules: MarketRules
    price: PublishedPrices | None

    def fault(self, rows: Sequence[Settlement]) -> str | None:
        """What is wrong with new rows of one interval, in their order; they stand or fall together.

        A correction is a reversal of what stood, and a new row; one row must stand in the end.
        """
        standing = self._standing(rows[0].interval)
        for row in rows:
            if row.reverses is None:
                if fault := self._row_fault(row):
                    return fault
                standing[row.settlement_id] = row
                continue
            reversed_row = standing.pop(row.reverses, None)
            if reversed_row is None:
                return f"reverses {row.reverses}, which does not stand"
            if not _negates(row, reversed_row):
                return f"reverses {row.reverses} with other amounts"
        if len(standing) != 1:
            return f"{len(standing)} settlements of one interval would stand"
        return None

    def _standing(self, interval: Interval) -> dict[str, Settlement]:
        rows = self.book.of_interval(self.book.settlements, interval)
        reversed_ids = {s.reverses for s in rows}
        return {
            s.settlement_id: s
            for s in rows
            if s.reverses is None and s.settlement_id not in reversed_ids
        }

    def _row_fault(self, row: Settlement) -> str | None:
        return self._meter_fault(row) or self._price_fault(row) or self._money_fault(row)

    def _meter_fault(self, row: Settlement) -> str | None:
        """Ours is what we reported; a later run may have the word of a revenue meter, within reason."""
        ours = self.book.metered.get(row.interval.start)
        if ours is None or ours.quality is not MeterQuality.MEASURED:
            return None
        if row.metered_wh == ours.net_wh:
            return None
        says = f"counts {row.metered_wh} Wh, our meter {ours.net_wh} Wh"
        if row.estimated:  # nobody had reported: delivered as sold until somebody does
            return None if row.metered_wh == row.position_wh else says
        if row.run is Run.PRELIM:
            return says
        near = max(abs(ours.net_wh) * _METER_PCT // 100, _METER_WH)
        return says if abs(row.metered_wh - ours.net_wh) > near else None

    def _price_fault(self, row: Settlement) -> str | None:
        ticks = row.imbalance_price_ticks
        if not self.rules.floor_ticks <= ticks <= self.rules.cap_ticks:
            return f"imbalance price of {ticks} ticks, beyond the market's floor or cap"
        published = self.price
        if published is None or published.imbalance_ticks is None:
            return None
        if ticks in (published.imbalance_ticks, published.import_ticks):
            return None  # a posted-price retailer settles purchases at its import price
        return f"imbalance price of {ticks} ticks, published were {published.imbalance_ticks}"

    def _money_fault(self, row: Settlement) -> str | None:
        fills = self.book.of_interval(self.book.transactions, row.interval)
        imbalance, export = row.imbalance_price_ticks, self._export_ticks(row)
        if export is None:
            return "pays a surplus at a price that nobody published"
        fee = self.rules.deviation_fee_ticks
        due = expected(fills, row.metered_wh, imbalance, export, fee)
        ours = (due.position_wh, due.energy_money, due.imbalance_money, due.uncontracted_money)
        theirs = (row.position_wh, row.energy_money, row.imbalance_money, row.uncontracted_money)
        if ours == theirs and due.fee_money <= row.fee_money <= 0:  # a fee may be waived
            return None
        at_one_price = expected(fills, row.metered_wh, imbalance, imbalance, 0)
        if fee == 0 and row.total_money == at_one_price.total_money and export == imbalance:
            return None  # a retailer that pays the meter at one price need not know positions
        if row.position_wh != due.position_wh:
            return f"has position {row.position_wh} Wh, ours is {due.position_wh} Wh"
        return f"pays {money_text(row.total_money)}, by our account {money_text(due.total_money)}"

    def _export_ticks(self, row: Settlement) -> int | None:
        """The price of what no position covers; 0 where there is nothing of it."""
        if self.price is not None and self.price.export_ticks is not None:
            return self.price.export_ticks
        return 0 if row.metered_wh <= 0 else None


def by_interval(rows: Iterable[Settlement]) -> Mapping[datetime, list[Settlement]]:
    """Rows grouped by the start of their interval, in their order."""
    groups: dict[datetime, list[Settlement]] = {}
    for row in rows:
        groups.setdefault(row.interval.start, []).append(row)
    return groups


def paused_until(disputes: Iterable[datetime], now: datetime) -> datetime | None:
    """Until when trading pauses, given the times of the disputes; None = it does not.

    From the third of a week on, each one pauses it for an hour.
    """
    recent = sorted(time for time in disputes if now - _WEEK < time <= now)
    if len(recent) < FEW:
        return None
    until = recent[-1] + _PAUSE
    return until if until > now else None


def _negates(row: Settlement, other: Settlement) -> bool:
    return (
        row.position_wh == -other.position_wh
        and row.metered_wh == -other.metered_wh
        and row.energy_money == -other.energy_money
        and row.imbalance_money == -other.imbalance_money
        and row.uncontracted_money == -other.uncontracted_money
        and row.fee_money == -other.fee_money
    )
