"""A home in the shape that a load needs: it does what a gateway does at the exchange, and checks all of it.

Once a quarter-hour, at a minute of its own: its fills, its meter reading, a stream of tenders for the
next four intervals. Half of the homes also buy what they will draw. Every answer must be exactly
what the binding promises; a fill must answer a known tender, no worse than its limit; what is settled
must be what was filled.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from gateway.domain.intervals import QUARTER, floor_quarter, iso, parse_utc
from gateway.errors import MarketError
from simulators.load.signer import Signer
from simulators.load.wire import Wire

INTERVALS = 4
_MINUTES = (1, 2, 3, 4, 6, 7, 8, 9)  # of the quarter-hour; calls are held at 0, 5 and 10
_LOT_WH, _LEAST_WH = 10, 50
_HORIZON = timedelta(hours=8)
_TOO_LATE = 4  # FIX 103
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class WrongAnswerError(Exception):
    """The exchange answered otherwise than the binding promises; says what and to whom."""


@dataclass(slots=True)
class Counts:
    """What all homes together did."""

    requests: int = 0
    tenders: int = 0
    fills: int = 0
    missed: int = 0  # intervals whose tender came too late


@dataclass(slots=True)
class Offer:
    """What was tendered for one interval: side, limit in ticks, Wh; and what of it was filled."""

    side: str
    price: int
    quantity: int
    filled: int = 0


@dataclass(slots=True)
class _Books:
    """What the home knows of its own trade; by start of the interval."""

    offers: dict[str, Offer] = field(default_factory=dict)  # by tenderId, since it woke last
    before: dict[str, Offer] = field(default_factory=dict)  # those of the time before that
    net_wh: dict[datetime, int] = field(default_factory=dict)  # sold +
    energy: dict[datetime, int] = field(default_factory=dict)  # money of the fills, 1e-8 USD
    last: int = 0

    def turn(self) -> None:
        """A tender expires when its home wakes again: what is older than that can have no fill."""
        self.before, self.offers = self.offers, {}

    def offer(self, tender_id: str) -> Offer | None:
        return self.offers.get(tender_id) or self.before.get(tender_id)


class LightHome:
    """One home; ``credential`` None on an exchange that believes a bare name. ``run`` is in all names that it
    gives: where it has traded before, what it asks is new and what it hears of then is not taken for now."""

    def __init__(
        self, party_id: str, wire: Wire, counts: Counts, credential: Signer | None, run: str = ""
    ) -> None:
        self.party_id = party_id
        self._run = run
        self._reported = False
        self._wire = wire
        self._counts = counts
        self._credential = credential
        self._token = f"insecure:{party_id}"
        self._token_known = credential is None
        rng = random.Random(party_id)
        self.minute = timedelta(minutes=rng.choice(_MINUTES))
        self._pv_w = rng.uniform(2_000, 9_000)
        self._load_w = rng.uniform(300, 1_500)
        self._buys = rng.random() < 0.5
        self._posted: dict[str, dict[str, Any]] = {}
        self._registers = [0, 0]
        self._books = _Books()

    def net_wh(self, start: datetime) -> int:
        """Generation less use of a quarter-hour by a smooth day, export +."""
        hour = (start.hour + start.minute / 60 - 6) % 24  # local time is six hours behind
        sun = max(0.0, math.sin((hour - 6) / 12 * math.pi)) if 6 <= hour <= 18 else 0.0
        evening = 1 + math.exp(-(((hour - 19) / 2) ** 2))
        return round((self._pv_w * sun - self._load_w * evening) / 4)

    async def begin(self) -> None:
        """Leave what it has traded before behind."""
        more = True
        while more:
            path = f"transactions?after={self._books.last}"
            answer = await self._get(path, ("transactions", "last", "more"))
            self._books.last, more = answer["last"], answer["more"]

    async def quarter(self, now: datetime) -> None:
        """All that is to be done in the quarter-hour of ``now``."""
        current = floor_quarter(now)
        await self._catch_up()
        self._books.turn()
        await self._report(current - QUARTER, now)
        await self._tender(current, now)

    # --- what it asks -------------------------------------------------------------------------

    async def _catch_up(self) -> None:
        answer = await self._get(f"transactions?after={self._books.last}", ("transactions", "last"))
        for row in answer["transactions"]:
            self._check(row["seq"] > self._books.last, "fills in a rising sequence", row)
            self._books.last = row["seq"]
            self._fill(row)
        self._check(answer["last"] == self._books.last and not answer["more"], "the end", answer)

    def _fill(self, row: dict[str, Any]) -> None:
        tender, books = row["tender"], self._books
        detail, name = tender["tenderDetail"], tender["tenderId"]
        offer = books.offer(name)
        if offer is None:
            if self._run not in name:
                return  # what rested from before
            raise WrongAnswerError(f"{self.party_id}: a fill of no tender of ours: {row}")
        sign = 1 if offer.side == "SELL" else -1
        better = (detail["price"] - offer.price) * sign >= 0
        offer.filled += detail["quantity"]
        right = tender["side"] == offer.side and better and detail["quantity"] > 0
        self._check(right and offer.filled <= offer.quantity, "a fill within its tender", row)
        start = parse_utc(detail["interval"]["dtStart"])
        net = sign * detail["quantity"]
        books.net_wh[start] = books.net_wh.get(start, 0) + net
        books.energy[start] = books.energy.get(start, 0) + net * detail["price"]
        self._counts.fills += 1

    async def _report(self, start: datetime, now: datetime) -> None:
        net = self.net_wh(start)
        used, given = max(0, -net), max(0, net)
        self._registers = [self._registers[0] + used, self._registers[1] + given]
        body = self._request(f"deliver:{iso(start)}{self._run}") | {
            "measurementPointId": f"{self.party_id}-meter",
            "interval": {"dtStart": iso(start), "duration": "PT15M"},
            "importQuantity": used,
            "exportQuantity": given,
            "importRegister": self._registers[0],
            "exportRegister": self._registers[1],
            "quality": "MEASURED",
        }
        status, answer = await self._post("deliver", body, now)
        again = bool(self._run) and not self._reported and status == 409  # reported before it began
        right = again or (status == 201 and answer["interval"] == body["interval"])
        self._check(right, "a receipt", answer)
        self._reported = True

    async def _tender(self, current: datetime, now: datetime) -> None:
        first = current + QUARTER
        starts = [first + n * QUARTER for n in range(INTERVALS)]
        await self._prices(starts)
        # What is traded already is not offered again.
        open_wh = [self.net_wh(s) - self._books.net_wh.get(s, 0) for s in starts]
        sells = [wh * 4 // 5 for wh in open_wh]
        buys = [-wh if self._buys and self.net_wh(s) < 0 else 0 for s, wh in zip(starts, open_wh, strict=True)]  # fmt: skip
        for side, wanted in (("SELL", sells), ("BUY", buys)):
            wh = [max(0, w) // _LOT_WH * _LOT_WH for w in wanted]
            wh = [w if w >= _LEAST_WH else 0 for w in wh]
            if any(wh):
                await self._stream(side, starts, wh, now)

    async def _stream(
        self, side: str, starts: Sequence[datetime], wh: Sequence[int], now: datetime
    ) -> None:
        used = [n for n, w in enumerate(wh) if w]
        starts, wh = starts[used[0] : used[-1] + 1], wh[used[0] : used[-1] + 1]
        prices = [self._limit(side, start, n) for n, start in enumerate(starts)]
        expires = floor_quarter(now) + self.minute + QUARTER
        name = f"{self.party_id}:{iso(floor_quarter(now))}:{side[0]}{self._run}"
        parts = [
            {"streamUid": n, "streamIntervalPrice": price, "streamIntervalQuantity": w}
            for n, (price, w) in enumerate(zip(prices, wh, strict=True))
        ]
        stream = {
            "streamIntervalDuration": "PT15M",
            "streamStart": iso(starts[0]),
            "streamIntervals": parts,
        }
        body = self._request(name) | {
            "marketId": "charging-network",
            "segmentId": "LZ_SOUTH",
            "tender": {
                "tenderId": name,
                "side": side,
                "expirationTime": iso(expires),
                "tenderDetail": {"stream": stream},
            },
        }
        status, answer = await self._post("createStreamTender", body, now)
        created = answer.get("createdTenders", ())
        self._check(status == 201 and len(created) == len(parts), "an answer per interval", answer)
        for part, price, w, row in zip(parts, prices, wh, created, strict=True):
            self._created(f"{name}.{part['streamUid']}", Offer(side, price, w), row)

    def _created(self, name: str, offer: Offer, row: dict[str, Any]) -> None:
        code = row["response"]["responseCode"]
        self._check(row["tenderId"] == name, "the tender that was sent", row)
        if offer.quantity == 0:
            self._check(code == 422 and row["ordRejReason"] == 13, "no tender of 0 Wh", row)
        elif code == 409 and row["ordRejReason"] == _TOO_LATE:
            self._counts.missed += 1
        else:
            self._check(code == 201 and len(row["marketOrderId"]) == 32, "accepted", row)
            self._books.offers[name] = offer
            self._counts.tenders += 1

    def _limit(self, side: str, start: datetime, steps: int) -> int:
        """Between what the retailer pays and asks, nearer to his price the sooner it is too late."""
        row = self._posted.get(iso(start), {})
        pays, asks = row.get("exportPrice"), row.get("price")
        if pays is None or asks is None:
            pays, asks = 2_000, 8_000
        return int(pays + (asks - pays) * (steps if side == "SELL" else 8 - steps) // 8)

    async def _prices(self, starts: Sequence[datetime]) -> None:
        if iso(starts[-1]) in self._posted:
            return
        span = f"start={iso(starts[0])}&end={iso(starts[0] + _HORIZON)}"
        answer = await self._get(f"prices?{span}", ("prices",))
        self._posted = {row["interval"]["dtStart"]: row for row in answer["prices"]}
        self._check(len(self._posted) == _HORIZON // QUARTER, "a price row per interval", answer)

    async def check_settlement(self, start: datetime, end: datetime) -> None:
        """What is settled of the span is what was filled, and what the meter counted."""
        await self._catch_up()
        answer = await self._get(f"settlements?start={iso(start)}&end={iso(end)}", ("settlements",))
        energy: dict[datetime, int] = {}
        for row in answer["settlements"]:
            at = parse_utc(row["interval"]["dtStart"])
            energy[at] = energy.get(at, 0) + row["energyMoney"]
            position = self._books.net_wh.get(at, 0) * (-1 if row["reverses"] else 1)
            self._check(row["position"] == position, "the position that was filled", row)
        known = {s: e for s, e in self._books.energy.items() if start <= s < end}
        wrong = {s for s in known.keys() | energy.keys() if known.get(s, 0) != energy.get(s, 0)}
        self._check(not wrong, f"the money of the fills of {sorted(wrong)[:3]}", energy)

    async def correct(self, party_id: str, start: datetime, net_wh: int) -> None:
        """As the meter data provider: the revenue meter of another party counted otherwise."""
        used, given = max(0, -net_wh), max(0, net_wh)
        body = self._request(f"revenue:{party_id}:{iso(start)}") | {
            "measurementPointId": f"{party_id}-meter",
            "meteredPartyId": party_id,
            "interval": {"dtStart": iso(start), "duration": "PT15M"},
            "importQuantity": used,
            "exportQuantity": given,
            "importRegister": used,
            "exportRegister": given,
            "quality": "REVENUE",
        }
        status, answer = await self._post("deliver", body, start)
        self._check(status == 201, "a receipt", answer)

    # --- how it asks --------------------------------------------------------------------------

    def _request(self, request_id: str) -> dict[str, Any]:
        return {"requestId": request_id, "partyId": self.party_id}

    async def _get(self, path: str, needed: tuple[str, ...]) -> dict[str, Any]:
        status, answer = await self._signed_in("GET", f"/cts/{path}", {})
        self._check(status == 200 and all(name in answer for name in needed), path, answer)
        return answer

    async def _post(
        self, name: str, body: dict[str, Any], now: datetime
    ) -> tuple[int, dict[str, Any]]:
        headers = {
            "Idempotency-Key": body["requestId"],
            "Content-Type": "application/json",
        }
        sent = json.dumps(body).encode()
        if self._credential is not None:
            headers["Content-Type"] = "application/jose"
            sent = self._credential.sign(sent, now)
        status, answer = await self._signed_in("POST", f"/cts/{name}", headers, sent)
        if status < 400:
            echo = answer.get("inResponseTo"), answer.get("partyId")
            self._check(echo == (body["requestId"], self.party_id), "an answer to us", answer)
        return status, answer

    async def _signed_in(
        self, method: str, path: str, headers: dict[str, str], body: bytes = b""
    ) -> tuple[int, dict[str, Any]]:
        """With the token; where it has expired, with a fresh one."""
        if not self._token_known:
            await self._fresh_token()
        status, answer = 401, dict[str, Any]()
        for last in (self._credential is None, True):
            token = {"Authorization": f"Bearer {self._token}"}
            status, answer = await self._ask(method, path, headers | token, body)
            if status != 401 or last:
                break
            await self._fresh_token()
        return status, answer

    async def _fresh_token(self) -> str:
        assert self._credential is not None  # noqa: S101 - only asked for with one
        headers = _FORM | {"Authorization": self._credential.basic()}
        body = b"grant_type=client_credentials"
        status, answer = await self._ask("POST", "/oauth2/token", headers, body)
        self._check(status == 200, "a token", answer)
        self._token, self._token_known = answer["access_token"], True
        return self._token

    async def _ask(
        self, method: str, path: str, headers: dict[str, str], body: bytes = b""
    ) -> tuple[int, dict[str, Any]]:
        self._counts.requests += 1
        status, answer = await self._wire.ask(method, path, headers, body)
        if status >= 500 or status == 429:
            raise MarketError(f"{self.party_id} {path}: {status} {answer.get('detail')}")
        return status, answer

    def _check(self, right: bool, what: str, answer: object) -> None:
        if not right:
            raise WrongAnswerError(f"{self.party_id}: expected {what}, got {str(answer)[:400]}")
