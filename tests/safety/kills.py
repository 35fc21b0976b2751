"""kill -9 of guard and agent at random moments of a trading day, and a backup put back now and then.

Afterwards the account is held against the exchange's own: nothing lost, doubled or orphaned, sums of 0.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from gateway.domain.intervals import QUARTER, floor_quarter
from gateway.domain.trade import Metered, MeterGap, Transaction
from gateway.market.exchanges import Exchange, ExchangeAccess
from gateway.market.exchanges.cts import connect
from gateway.market.reconcile import differences
from gateway.store.backup import backup, restore
from gateway.store.codec import gap_of, metered_of
from gateway.store.journal import Journal
from tests.safety.two_processes import Town

_CALL_S = 300  # the exchange's calls follow each other so; most is under way around them
_AROUND_S = (-45, 25)
_REAL_S = (
    0.08  # the moment of a death, in the machine's own time after the clock has started to move
)
# An agent dies alone and is started again by its guard; a guard takes its agent with it, by the kernel;
# or both die at once, the agent first.
_WHO = {"agent": 0.6, "guard": 0.2, "both": 0.2}
LAST = timedelta(hours=3)  # of peace: every quarter-hour is settled then
_MORE = (
    QUARTER  # of peace for the fills of the last call, which the home may not have heard of at once
)


@dataclass
class Kills:
    """What was done, and what was found wrong (nothing, it is hoped)."""

    town: Town
    rng: random.Random
    kills: Counter[str] = field(default_factory=Counter)
    restores: int = 0
    tenders_before: set[str] = field(default_factory=set)  # known to an account that was replaced
    due: set[str] = field(
        default_factory=set
    )  # the exchange's fills that ours must hold at the end

    async def run(self, kills: int, restores: int) -> None:
        """So many deaths, and restores at moments between them; then a life in peace."""
        at = set(self.rng.sample(range(1, kills), min(restores, max(0, kills - 1))))
        saved: Path | None = None
        await self.town.start()
        for number in range(kills):
            if number + 1 in at or saved is None:
                saved = self._backup(number)
            await self._die((number in at and saved) or None)
        await self.town.play(LAST)
        self.due = {fill.transaction_id for fill in await self._fills()}
        await self.town.play(_MORE)
        await self.town.stop()

    def _backup(self, number: int) -> Path:
        """Beside the running daemon."""
        out = self.town.config.parent / f"backup-{number}.tar"
        backup(self.town.state, out, self.town.clock.now())
        return out

    async def _die(self, put_back: Path | None) -> None:
        await self.town.play(self._until_death())
        who = self.rng.choices(*zip(*_WHO.items(), strict=True))[0]
        if who == "agent" and put_back is not None:
            who = "both"  # a backup is put back where nothing runs
        late_s = self.rng.random() * _REAL_S
        dying = asyncio.create_task(self._kill_at(late_s, who))
        while not dying.done():
            await self.town.play(timedelta(seconds=1))
        died = await dying
        await self.town.play(timedelta(seconds=self.rng.randint(1, 120)))
        if died == "agent":
            await self.town.joined(2)
            return
        if put_back is not None:
            self._note_tenders()
            restore(put_back, self.town.state)
            self.restores += 1
        await self.town.start()

    async def _kill_at(self, late_s: float, who: str) -> str:
        """Who has died: the guard where there was no agent to kill."""
        await asyncio.sleep(late_s)
        if who != "guard" and not self.town.kill_agent():
            who = "guard"
        if who == "agent":
            await self.town.joined(1)
        else:
            await self.town.kill_guard()
        self.kills[who] += 1
        return who

    def _until_death(self) -> timedelta:
        """To a moment around one of the next calls."""
        now = self.town.clock.now().timestamp()
        call = (now // _CALL_S + self.rng.randint(1, 2)) * _CALL_S
        due = call + self.rng.uniform(*_AROUND_S)
        return timedelta(seconds=max(1.0, due - now))

    def _note_tenders(self) -> None:
        journal = Journal(self.town.state / "journal.sqlite", read_only=True)
        self.tenders_before |= {str(e.body["tender_id"]) for e in journal.entries(kind="tender")}
        journal.close()

    async def faults(self, start: datetime) -> list[str]:
        """What is not as it should be, after the end."""
        town = self.town
        journal = Journal(town.state / "journal.sqlite", read_only=True)
        journal.verify()
        fills = await self._fills()
        exchange = self._exchange()
        settled = await exchange.settlements(start - QUARTER, town.clock.now())
        await exchange.close()
        until = floor_quarter(town.clock.now()) - timedelta(hours=1)
        book = journal.book
        found = differences(book, fills, settled, start - QUARTER, until)
        found += [f"disputed: {d.what} {d.id}: {d.reason}" for d in book.disputes.values()]
        found += [f"unanswered: {s.tender.tender_id}" for s in book.unanswered()]
        found += self._tenders(journal)
        found += await self._theirs(journal)
        found += _rows(journal)
        stored = [e.body["transaction_id"] for e in journal.entries(kind="transaction")]
        known = {fill.transaction_id for fill in fills}
        found += [f"fill {name} is stored twice" for name, n in Counter(stored).items() if n > 1]
        found += [f"fill {name} is lost" for name in self.due - set(stored)]
        found += [f"fill {name} is not the exchange's" for name in set(stored) - known]
        if town.exchange.zero_sum_error:
            found.append(f"the parties' sums differ by {town.exchange.zero_sum_error}")
        journal.close()
        return found

    def _exchange(self) -> Exchange:
        """As the home sees it, with the home's own credential."""
        town = self.town
        credential = town.exchange.credential_file("home")
        return connect(
            ExchangeAccess(town.exchange.url, "home", town.clock, credential_file=credential)
        )

    async def _fills(self) -> list[Transaction]:
        exchange = self._exchange()
        try:
            return list(await exchange.transactions(0))
        finally:
            await exchange.close()

    def _tenders(self, journal: Journal) -> list[str]:
        ids = [e.body["tender_id"] for e in journal.entries(kind="tender")]
        answers = Counter(e.body["tender_id"] for e in journal.entries(kind="answer"))
        fills = {e.body["tender_id"] for e in journal.entries(kind="transaction")}
        twice = [f"tender {name} is stored twice" for name, n in Counter(ids).items() if n > 1]
        twice += [f"tender {name} has {n} answers" for name, n in answers.items() if n > 1]
        orphans = [f"a fill of {name}, which is no tender of ours" for name in fills - set(ids)]
        return twice + orphans

    async def _theirs(self, journal: Journal) -> list[str]:
        """Every tender that the exchange has is in our account, or was in one that a backup replaced."""
        ours = {e.body["tender_id"] for e in journal.entries(kind="tender")} | self.tenders_before
        store = self.town.exchange.store
        theirs = {one.tender_id for party, one in await store.tenders() if party == "home"}
        accepted = {
            e.body["tender_id"] for e in journal.entries(kind="answer") if e.body["accepted"]
        }
        lost = [
            f"tender {name} is lost: the exchange does not have it" for name in accepted - theirs
        ]
        return lost + [f"tender {name} is orphan: we do not have it" for name in theirs - ours]


def _rows(journal: Journal) -> list[str]:
    """No quarter-hour twice, and every Wh of the meter in one row."""
    metered = [metered_of(e.body) for e in journal.entries(kind="metered")]
    gaps = [gap_of(e.body) for e in journal.entries(kind="gap")]
    starts = Counter(m.interval.start for m in metered)
    found = [f"the quarter from {at} is metered {n} times" for at, n in starts.items() if n > 1]
    rows: list[Metered | MeterGap] = [*metered, *gaps]
    if rows:
        last = max(rows, key=lambda row: row.import_register_wh).import_register_wh
        first = min(row.import_register_wh - row.import_wh for row in rows)
        if sum(row.import_wh for row in rows) != last - first:
            found.append(f"rows hold {sum(r.import_wh for r in rows)} Wh, the meter {last - first}")
    return found
