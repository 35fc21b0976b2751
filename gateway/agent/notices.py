"""What a person is told, and when: alarms that last, a car that will not be ready, a limit that is not kept, yesterday's sale, another version.

Pure: it is asked once a tick and answers with what to send now. Each thing is told once until it has been away for an hour; at
most so many a day; in quiet hours nothing but what cannot wait, the rest when they end.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from gateway.domain.sentences import Sentence, alike, sentence

LASTS = timedelta(minutes=2)  # what passes by itself sooner is nobody's business
AGAIN = timedelta(hours=1)  # away for so long, it is news


class Kind(StrEnum):
    """What it is about; the words of `notify.about`."""

    ALARM = "alarm"
    CAR = "car"
    LIMIT = "limit"
    SALE = "sale"
    UPDATE = "update"


@dataclass(frozen=True, slots=True)
class Notice:
    """One message."""

    kind: Kind
    said: Sentence


@dataclass(frozen=True, slots=True)
class Rules:
    """The person's wishes: what about, quiet from and to (local), what may break the quiet, most a day."""

    about: frozenset[Kind]
    zone: ZoneInfo
    quiet: tuple[time, time] | None = (time(22), time(7))
    urgent: frozenset[Kind] = frozenset({Kind.LIMIT})
    most_a_day: int = 10


@dataclass
class _Thing:
    """One alarm: since when it is there, when it was there last, whether it was told."""

    notice: Notice
    since: datetime
    seen: datetime
    told: bool = False


@dataclass
class Notices:
    """What has been told, and what waits for the end of the quiet hours."""

    rules: Rules
    _things: dict[str, _Thing] = field(default_factory=dict)
    _waiting: list[Notice] = field(default_factory=list)
    _day: object = None
    _sent: int = 0
    _left_out: int = 0

    def look(self, now: datetime, present: Iterable[Notice]) -> list[Notice]:
        """What to send now, of all that is the case at ``now`` (UTC)."""
        there = {_key(n): n for n in present if n.kind in self.rules.about}
        for key, notice in there.items():
            thing = self._things.setdefault(key, _Thing(notice, now, now))
            thing.seen = now
            if not thing.told and now - thing.since >= LASTS:
                thing.told = True
                self._waiting.append(notice)
        for key, thing in list(self._things.items()):
            away = now - thing.seen
            if away > LASTS and not thing.told:
                del self._things[key]  # it passed by itself
            elif away > AGAIN:
                del self._things[key]
        return self._due(now)

    def tell(self, now: datetime, notice: Notice) -> list[Notice]:
        """Something that happened once: told now, or after the quiet hours."""
        if notice.kind in self.rules.about:
            self._waiting.append(notice)
        return self._due(now)

    def _due(self, now: datetime) -> list[Notice]:
        here = now.astimezone(self.rules.zone)
        if here.date() != self._day:
            self._day, self._sent, self._left_out = here.date(), 0, 0
        quiet = is_quiet(here.time(), self.rules.quiet)
        due = [n for n in self._waiting if not quiet or n.kind in self.rules.urgent]
        self._waiting = [n for n in self._waiting if n not in due]
        room = max(0, self.rules.most_a_day - self._sent)
        sent, left = due[:room], due[room:]
        self._sent += len(sent)
        if left and not self._left_out:
            said = sentence("enough_messages", count=str(self.rules.most_a_day))
            sent = [*sent, Notice(Kind.ALARM, said)]
        self._left_out += len(left)
        return sent


def is_quiet(here: time, quiet: tuple[time, time] | None) -> bool:
    """Whether ``here`` (local) lies in the half-open quiet hours, which may pass midnight."""
    if quiet is None or quiet[0] == quiet[1]:
        return False
    start, end = quiet
    return start <= here < end if start < end else here >= start or here < end


def of_the_home(alarms: Iterable[Sentence], plan_notes: Iterable[Sentence]) -> list[Notice]:
    """The sentences that the page shows, each with what it is about."""
    urgent = {"limit_not_kept": Kind.LIMIT}
    found = [Notice(urgent.get(alarm.about, Kind.ALARM), alarm) for alarm in alarms]
    return found + [Notice(Kind.CAR, note) for note in plan_notes if note.about == "car_late"]


def sale_of(
    day: str, sold_wh: int, earned: str, bill: Mapping[str, str] | None, currency: str
) -> Notice | None:
    """What a day brought: sold at the exchange, and the retailer's bill with what the gateway saved. None where nothing is to tell."""
    if not sold_wh and bill is None:
        return None
    sold = {"energy": f"{sold_wh / 1000:.1f} kWh", "money": f"{earned} {currency}"}
    values = {"day": day} | (sold if sold_wh else {})
    if bill is not None:
        values |= {"bill": f"{bill['total']} {currency}", "saved": bill["saved"]}
    code = "day.sold" if bill is None else "day.both" if sold_wh else "day.bill"
    return Notice(Kind.SALE, sentence(code, **values))


def update_of(before: str | None, now: str) -> Notice | None:
    """Another version than at the last start; None at the first start of all."""
    if before in (None, now):
        return None
    return Notice(Kind.UPDATE, sentence("version", now=now, before=str(before)))


def _key(notice: Notice) -> str:
    """The same thing with other numbers is the same thing."""
    return f"{notice.kind} {alike(notice.said)}"
