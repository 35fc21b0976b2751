"""Deliveries and settlement runs: the statements of all parties, whose sum is exactly zero."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from gateway.domain.intervals import QUARTER, floor_to, iso, parse_utc
from simulators.exchange import problems
from simulators.exchange.settlement import Cash, Rates, settle
from simulators.exchange.store import Store
from simulators.exchange.terms import LSE_PARTY, Prices, Terms

RUNS = ("PRELIM", "FINAL", "TRUEUP")


@dataclass(frozen=True, slots=True)
class Delivery:
    """A meter reading of one interval: Wh and the register's end values in Wh."""

    point: str
    start: datetime
    import_wh: int
    export_wh: int
    import_register: int
    export_register: int
    quality: str


class SettlementEngine:
    """Takes meter readings in and makes the statements."""

    def __init__(self, store: Store, terms: Terms, prices: Prices) -> None:
        self._store = store
        self._terms = terms
        self._prices = prices
        self._after = {
            "PRELIM": terms.prelim_after,
            "FINAL": terms.final_after,
            "TRUEUP": terms.trueup_after,
        }

    def deliver(
        self, party_id: str, reading: Delivery, now: datetime, evidence: str | None
    ) -> None:
        """Store a reading; the same again changes nothing, a better quality replaces a worse."""
        if not self._terms.is_instrument(reading.start):
            raise problems.unknown_instrument(f"{iso(reading.start)} is off the quarter-hour grid")
        if now < reading.start + QUARTER:
            raise problems.conflict(f"the interval {iso(reading.start)} is not over")
        row = {
            "party_id": party_id,
            "start": iso(reading.start),
            "point": reading.point,
            "import_wh": reading.import_wh,
            "export_wh": reading.export_wh,
            "import_register": reading.import_register,
            "export_register": reading.export_register,
            "quality": reading.quality,
        }
        with self._store.transaction():
            old = self._store.one(
                "SELECT * FROM delivery WHERE party_id = ? AND start = ?", party_id, row["start"]
            )
            if old is not None and all(old[name] == value for name, value in row.items()):
                return
            if old is not None and _rank(reading.quality) <= _rank(old["quality"]):
                raise problems.conflict(
                    f"{iso(reading.start)} was reported with other content; a correction needs"
                    " a better quality (ESTIMATED < MEASURED < REVENUE)"
                )
            self._store.run(
                "DELETE FROM delivery WHERE party_id = ? AND start = ?", party_id, row["start"]
            )
            self._store.insert("delivery", row | {"time": iso(now), "evidence": evidence})

    def settle_due(self, when: datetime) -> None:
        """Every run that is due at ``when``, in the order of the intervals."""
        for run in RUNS:
            self.settle_through(run, floor_to(when - self._after[run], QUARTER), when)

    def settle_through(self, run: str, last: datetime, when: datetime) -> None:
        """Settle in ``run`` all intervals that follow its mark, up to the one that starts at ``last``."""
        mark = self._store.mark(run)
        if mark is None:
            return
        if run != "PRELIM":  # never ahead of the first run
            last = min(last, parse_utc(self._store.mark("PRELIM") or mark))
        start = parse_utc(mark) + QUARTER
        while start <= last and self._prices.source.covers(start):
            with self._store.transaction():
                self._settle(start, run, when)
                self._store.set_mark(run, iso(start))
            start += QUARTER

    def begin(self, now: datetime) -> None:
        """On the first start ever: everything before now needs no settlement."""
        for run in RUNS:
            if self._store.mark(run) is None:
                self._store.set_mark(run, iso(floor_to(now, QUARTER) - QUARTER))

    def _settle(self, start: datetime, run: str, when: datetime) -> None:
        rates = Rates(
            imbalance=self._prices.imbalance(start),
            export=self._prices.posted(start, when).export or 0,
            fee=self._terms.deviation_fee,
        )
        waived = self._store.one("SELECT 1 FROM waiver WHERE start = ?", iso(start)) is not None
        against_retailer = 0
        for party_id in self._involved(start):
            fills = self._fills(party_id, start)
            metered = self._metered(party_id, start)
            position = sum(net for net, _ in fills)
            cash = settle(fills, position if metered is None else metered, rates, fee_waived=waived)
            against_retailer += cash.against_retailer
            row = _amounts(cash, rates, estimated=metered is None)
            self._state(party_id, start, run, row, when)
        own = self._fills(LSE_PARTY, start)
        position = sum(net for net, _ in own)
        cash = Cash(
            position=position,
            metered=position,
            energy=sum(net * price for net, price in own),
            imbalance=-against_retailer,
            uncontracted=0,
            fee=0,
        )
        if own or against_retailer or self._standing(LSE_PARTY, start):
            self._state(LSE_PARTY, start, run, _amounts(cash, rates, estimated=False), when)

    def _state(
        self, party_id: str, start: datetime, run: str, row: dict[str, int], when: datetime
    ) -> None:
        """Write the statement; one that differs from what stands reverses that first."""
        standing = self._standing(party_id, start)
        if standing is not None:
            if all(standing[name] == value for name, value in row.items()):
                return
            negated = {
                name: -standing[name]
                for name in ("position", "metered", "energy", "imbalance", "uncontracted", "fee")
            }
            kept = {name: standing[name] for name in ("estimated", "imbalance_price")}
            self._write(party_id, start, run, negated | kept, when, standing["settlement_id"])
        self._write(party_id, start, run, row, when, None)

    def _write(
        self,
        party_id: str,
        start: datetime,
        run: str,
        amounts: dict[str, int],
        when: datetime,
        reverses: str | None,
    ) -> None:
        seq = self._store.next_seq("settlement")
        named = f"{party_id}|{iso(start)}|{run}|{reverses or ''}"
        self._store.insert(
            "settlement",
            {
                "seq": seq,
                "settlement_id": hashlib.sha256(named.encode()).hexdigest()[:32],
                "party_id": party_id,
                "start": iso(start),
                "run": run,
                **amounts,
                "reverses": reverses,
                "time": iso(when),
            },
        )

    def _standing(self, party_id: str, start: datetime) -> sqlite3.Row | None:
        return self._store.one(
            "SELECT * FROM settlement s WHERE party_id = ? AND start = ? AND reverses IS NULL"
            " AND NOT EXISTS (SELECT 1 FROM settlement r WHERE r.reverses = s.settlement_id)",
            party_id,
            iso(start),
        )

    def _involved(self, start: datetime) -> Iterator[str]:
        rows = self._store.all(
            "SELECT party_id FROM fill WHERE start = ? UNION"
            " SELECT party_id FROM delivery WHERE start = ? ORDER BY party_id",
            iso(start),
            iso(start),
        )
        return (row["party_id"] for row in rows if row["party_id"] != LSE_PARTY)

    def _fills(self, party_id: str, start: datetime) -> list[tuple[int, int]]:
        rows = self._store.all(
            "SELECT side, quantity, price FROM fill WHERE party_id = ? AND start = ? ORDER BY seq",
            party_id,
            iso(start),
        )
        sign = {"SELL": 1, "BUY": -1}
        return [(sign[row["side"]] * row["quantity"], row["price"]) for row in rows]

    def _metered(self, party_id: str, start: datetime) -> int | None:
        row = self._store.one(
            "SELECT * FROM delivery WHERE party_id = ? AND start = ?", party_id, iso(start)
        )
        return None if row is None else int(row["export_wh"] - row["import_wh"])

    def totals(self) -> dict[str, int]:
        """Money by party over all statements, 1e-8 USD."""
        rows = self._store.all(
            "SELECT party_id, SUM(energy + imbalance + uncontracted + fee) AS total"
            " FROM settlement GROUP BY party_id ORDER BY party_id"
        )
        return {row["party_id"]: int(row["total"]) for row in rows}


def _amounts(cash: Cash, rates: Rates, *, estimated: bool) -> dict[str, int]:
    return {
        "position": cash.position,
        "metered": cash.metered,
        "estimated": int(estimated),
        "imbalance_price": rates.imbalance,
        "energy": cash.energy,
        "imbalance": cash.imbalance,
        "uncontracted": cash.uncontracted,
        "fee": cash.fee,
    }


def _rank(quality: str) -> int:
    return ("ESTIMATED", "MEASURED", "REVENUE").index(quality)
