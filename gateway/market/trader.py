"""The home at the exchange: every step is in the journal before it is sent and after it is answered.

A tender is stored, sent, answered, and its answer stored. Whatever breaks in between, the energy
counts as committed until `Trader.reconcile` has asked the exchange what it knows of it. The methods
raise MarketError when the exchange is lost; the account is consistent then and the next round goes
on from the journal.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from gateway.clock import Clock
from gateway.domain.intervals import Interval
from gateway.domain.plan import OfferCurve
from gateway.domain.trade import (
    CancelAnswer,
    MarketRules,
    Metered,
    Settlement,
    Tender,
    TenderAnswer,
)
from gateway.errors import MarketError
from gateway.market.bidding import BidPolicy, Bids, Increment, tenders_for
from gateway.market.disputes import Disputes
from gateway.market.exchanges import Exchange
from gateway.market.fills import Fills
from gateway.market.schedule import may_cancel, may_tender, tradeable
from gateway.market.settling import Settling
from gateway.store.codec import answer_body, receipt_body, tender_body
from gateway.store.journal import Journal

log = logging.getLogger(__name__)

_BETWEEN_RECEIPTS = timedelta(hours=1)
_EPOCH, _MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class TraderSettings:
    """How this home trades. ``max_offset_s``: no tender is sent with a clock further off."""

    party_id: str
    policy: BidPolicy = field(default_factory=BidPolicy)
    max_offset_s: float = 1.0


class Trader:
    """Small steps for the trading loop; call `start` first, and again after a lost exchange."""

    def __init__(
        self, exchange: Exchange, journal: Journal, clock: Clock, settings: TraderSettings
    ) -> None:
        self._exchange, self._journal, self._clock = exchange, journal, clock
        self._settings = settings
        self._policy = settings.policy
        self._rules: MarketRules | None = None
        self._disputes = Disputes(journal, clock)
        self._fills = Fills(exchange, journal, clock, self._disputes)
        self._settling = Settling(exchange, journal, clock, self._disputes)
        self._suspended = False
        self._refusal: str | None = None  # why the last tender was refused; None: it was taken
        self._signed_at: datetime | None = None
        self._identity = ""  # of this start, see `_name`

    @property
    def rules(self) -> MarketRules:
        """The market's reference data; MarketError before `start` has fetched it."""
        if self._rules is None:
            raise MarketError("the exchange has not yet told its rules")
        return self._rules

    @property
    def known_rules(self) -> MarketRules | None:
        """The rules as far as they are known: None before the exchange was reached once."""
        return self._rules

    def set_floor(self, floor_ticks: int) -> None:
        """From the next bid on the home does not sell below this price."""
        self._policy = replace(self._policy, floor_ticks=floor_ticks)

    @property
    def suspended(self) -> bool:
        """True while our clock is too far from the exchange's to bid."""
        return self._suspended

    async def start(self) -> None:
        """Fetch missed fills, which may have to be delivered now; then the rules and what was left open."""
        await self.catch_up()
        self._rules = await self._exchange.rules()
        await self.reconcile()
        await self._fills.adopt()
        await self.catch_up()

    async def reconcile(self) -> None:
        """Learn the fate of every tender without an answer, and repeat open cancels."""
        never_arrived: list[Tender] = []
        for state in self._journal.book.unanswered():
            tender = state.tender
            answer = await self._exchange.find_tender(tender.tender_id)
            if answer is not None:
                self._answered(answer)
            elif may_tender(self.rules, tender.interval, self._clock.now()):
                never_arrived.append(tender)
            elif self._clock.now() >= self._closure(tender) + self.rules.guard:
                reason = "it never arrived and its gate is closed"
                self._answered(TenderAnswer(tender.tender_id, False, None, 0, reason))
        if never_arrived and await self.clock_is_right():
            await self._send(never_arrived)
        for state in self._journal.book.cancelling():
            if self._clock.now() < self._closure(state.tender):
                await self._cancel_now(state.tender.tender_id)
            else:
                reason = "its gate is closed"
                self._cancelled(CancelAnswer(state.tender.tender_id, False, 0, 0, reason))

    async def catch_up(self) -> int:
        """See `gateway.market.fills.Fills.catch_up`."""
        return await self._fills.catch_up()

    async def bid(self, curves: Sequence[OfferCurve]) -> int:
        """Bring the open tenders to what ``curves`` ask; how many tenders were sent.

        Sends nothing while our clock is off; goes on by itself when it is right again. While too much
        is disputed nothing is offered, and what is open is taken back.
        """
        await self.reconcile()
        if not await self.clock_is_right():
            return 0
        if self._disputes.paused_until() is not None:
            curves = [replace(curve, steps=()) for curve in curves]
        wanted: list[tuple[Interval, Increment]] = []
        for curve in curves:
            if not tradeable(self.rules, curve.interval, self._clock.now()):
                continue
            bids = self._bids(curve, cancels=self._may_cancel(curve.interval))
            if bids.cancel:
                await self._cancel(bids.cancel)
                await self.catch_up()  # a fill may have been faster than the cancel
                bids = self._bids(curve, cancels=False)
            wanted += [(curve.interval, increment) for increment in bids.create]
        tenders = self._store(wanted)
        await self._send(tenders)
        return len(tenders)

    async def report(self, metered: Metered | None = None) -> None:
        """See `gateway.market.settling.Settling.report`."""
        await self._settling.report(metered)

    async def settle(self) -> list[Settlement]:
        """See `gateway.market.settling.Settling.settle`."""
        settled = await self._settling.settle(self.rules)
        if settled:
            await self._countersign()
        return settled

    @property
    def paused_until(self) -> datetime | None:
        """Until when trading pauses because too much is disputed; None = it does not."""
        return self._disputes.paused_until()

    async def clock_is_right(self) -> bool:
        """Whether we are within `TraderSettings.max_offset_s` of the exchange's clock.

        Half of the answer's travel time is uncertain and is given to us.
        """
        began, before = self._clock.monotonic(), self._clock.now()
        theirs = await self._exchange.server_time()
        half_s = (self._clock.monotonic() - began) / 2
        offset_s = (theirs - before).total_seconds() - half_s
        off = abs(offset_s) - half_s > self._settings.max_offset_s
        if off != self._suspended:
            self._suspended = off
            text = "our clock is right again: bidding goes on"
            if off:
                text = f"our clock is {-offset_s:+.1f} s off the exchange's: bidding is suspended"
            log.warning("%s", text)
            self._journal.append("note", {"text": text}, self._clock.now())
        return not off

    # -- inside --

    async def _countersign(self) -> None:
        """Have the account's head countersigned, at most once an hour; it may wait for another time."""
        now = self._clock.now()
        if self._signed_at is not None and now - self._signed_at < _BETWEEN_RECEIPTS:
            return
        self._signed_at = now
        try:
            receipt = await self._exchange.attest(*self._journal.head)
        except MarketError as error:
            log.info("no receipt now: %s", error)
            return
        if receipt is not None:
            self._journal.append("receipt", receipt_body(receipt), now)

    def _bids(self, curve: OfferCurve, *, cancels: bool) -> Bids:
        book = self._journal.book
        states, position = book.tenders_of(curve.interval), book.position_wh(curve.interval)
        return tenders_for(curve, self.rules, states, position, self._policy, may_cancel=cancels)

    def _may_cancel(self, interval: Interval) -> bool:
        return may_cancel(self.rules, interval, self._clock.now())

    def _closure(self, tender: Tender) -> datetime:
        return tender.interval.start - self.rules.gate_closure_lead

    def _store(self, wanted: Sequence[tuple[Interval, Increment]]) -> list[Tender]:
        now = self._clock.now()
        tenders = []
        for number, (interval, piece) in enumerate(wanted, self._journal.book.tender_count + 1):
            if not may_tender(self.rules, interval, now):
                continue
            expires = interval.start - self.rules.gate_closure_lead
            quantity, price = piece.quantity_wh, piece.price_ticks
            name = self._name(number)
            tenders.append(Tender(name, interval, piece.side, quantity, price, expires))
        if tenders:
            self._journal.append_all([("tender", tender_body(t)) for t in tenders], now)
        return tenders

    def _name(self, number: int) -> str:
        """A tender id that is never used again, not even after a restore of an old journal.

        The moment of this start's first tender, in microseconds, when the exchange's clock has just
        agreed with ours; and the journal's number. A restore takes the number back, never the time.
        """
        if not self._identity:
            self._identity = f"{(self._clock.now() - _EPOCH) // _MICROSECOND:x}"
        return f"{self._settings.party_id}-{self._identity}-{number}"

    async def _send(self, tenders: Sequence[Tender]) -> None:
        if tenders:
            self._answered(*await self._exchange.create_tenders(tenders))

    async def _cancel(self, tender_ids: Sequence[str]) -> None:
        items = [("cancel", {"tender_id": tender_id}) for tender_id in tender_ids]
        self._journal.append_all(items, self._clock.now())
        for tender_id in tender_ids:
            await self._cancel_now(tender_id)

    async def _cancel_now(self, tender_id: str) -> None:
        self._cancelled(await self._exchange.cancel(tender_id))

    def _answered(self, *answers: TenderAnswer) -> None:
        """Store what has been learned, in one transaction: each waits for the disk."""
        tenders = self._journal.book.tenders
        fresh: dict[str, TenderAnswer] = {}  # a duplicate answer is no second row
        for answer in answers:
            state = tenders.get(answer.tender_id)
            if state is not None and not state.answered:
                fresh.setdefault(answer.tender_id, answer)
        for answer in fresh.values():
            self._note_refusal(answer)
        if fresh:
            items = [("answer", answer_body(answer)) for answer in fresh.values()]
            self._journal.append_all(items, self._clock.now())

    def _note_refusal(self, answer: TenderAnswer) -> None:
        """The same for every tender, call by call, is said once."""
        if answer.accepted:
            self._refusal = None
        elif answer.reason != self._refusal:
            self._refusal = answer.reason
            log.warning("tender %s is refused: %s", answer.tender_id, answer.reason)

    def _cancelled(self, answer: CancelAnswer) -> None:
        body = {
            "tender_id": answer.tender_id,
            "success": answer.success,
            "remaining_wh": answer.remaining_wh,
            "code": answer.code,
            "reason": answer.reason,
        }
        self._journal.append("cancelled", body, self._clock.now())
