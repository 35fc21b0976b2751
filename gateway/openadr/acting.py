"""What events ask of the home: limits with their ends, energy of a quarter-hour, charge that is wanted by a time. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import groupby, islice

from gateway.domain.grid_operator import Direction, OperatorCommand
from gateway.domain.intervals import Interval, floor_to, iso, quarter_of
from gateway.domain.plan import BatterySpec, ValueCurve
from gateway.domain.sentences import Sentence, sentence
from gateway.openadr.documents import ENDLESS, Event
from gateway.openadr.holding import Holding, energy_wh, holding, holdings, power_w

IMPORT_LIMIT, EXPORT_LIMIT = "IMPORT_CAPACITY_LIMIT", "EXPORT_CAPACITY_LIMIT"
LIMITS: dict[str, Direction] = {IMPORT_LIMIT: "import", EXPORT_LIMIT: "export"}
SIMPLE, LEVELS = "SIMPLE", 3  # moderate, high, special; 0 is normal
DISPATCH, CHARGE = "DISPATCH_SETPOINT", "CHARGE_STATE_SETPOINT"
RELATIVE = "DISPATCH_SETPOINT_RELATIVE"
KINDS = (*LIMITS, DISPATCH, CHARGE, RELATIVE)
_NO_REFERENCE = (
    f"{RELATIVE}: OpenADR 3.1 does not say from which power it counts, so this value is not followed;"
    f" {DISPATCH} says the power itself"
)
PRICES = ("PRICE", "EXPORT_PRICE", "GHG")  # a price feed's
BACK, AHEAD = timedelta(days=1), timedelta(days=2)  # of what is looked at
MOST_FOUND = 5_000
MOST_W = 1_000_000
MOST_SAID = 3  # alarms of events that cannot be followed: a stranger's words
SILENCE, RENEWED = timedelta(hours=24), timedelta(hours=12)
_HELD_BACK = timedelta(hours=12)  # before a dispatch its energy is not sold or used up
_SPARE = 1.2  # of the time that charging needs
_NOT_LEFT = 1e7  # per MWh: dearer than any price


@dataclass(frozen=True, slots=True)
class ProgrammeEvents:
    """What is known of a programme: its events that ask something of the home, and when its server was heard.

    ``refused`` has a sentence for each event that cannot be followed; ``alarm`` is None but while the server is lost.
    """

    events: tuple[Event, ...] = ()
    found: tuple[Holding, ...] = ()
    heard: datetime | None = None
    refused: tuple[str, ...] = ()
    alarm: Sentence | None = None

    @property
    def alarms(self) -> tuple[Sentence, ...]:
        """What a person should know: its server is lost, or asks for what cannot be followed (a few of many)."""
        lost = (self.alarm,) if self.alarm else ()
        said = self.refused[:MOST_SAID]
        return lost + tuple(sentence("programme_refused", why=why) for why in said)


def kinds_of(levels_w: Sequence[float]) -> tuple[str, ...]:
    """What is acted upon; levels only where the owner says what they mean."""
    return (*KINDS, SIMPLE) if levels_w else KINDS


def usable(
    events: Iterable[Event], now: datetime, home: str, levels_w: Sequence[float] = ()
) -> tuple[list[Holding], list[str]]:
    """What the events say of the time around ``now``, and a sentence for each that cannot be followed.

    ``levels_w`` is the most that may be drawn at SIMPLE levels 1, 2 and 3; the last holds for those above it.
    """
    found: list[Holding] = []
    refused: list[str] = []
    for event in events:
        said = holdings([event], kinds_of(levels_w), now - BACK, now + AHEAD, home)
        own = list(islice(said, MOST_FOUND + 1))
        try:
            if len(own) + len(found) > MOST_FOUND:
                raise ValueError(f"more than {MOST_FOUND} intervals in three days")
            own = [h for each in own if (h := _as_limit(each, levels_w)) is not None]
            for each in own:
                _checked(each)
        except ValueError as error:
            refused.append(f"event {event.name or event.id}: {error}")
            continue
        if any(each.kind == RELATIVE for each in own):
            refused.append(f"event {event.name or event.id}: {_NO_REFERENCE}")
        found += [each for each in own if each.kind != RELATIVE]
    return found, refused


def _as_limit(each: Holding, levels_w: Sequence[float]) -> Holding | None:
    """A level as the limit of imports that its owner has set for it; level 0 limits nothing. Raises ValueError for no level."""
    if each.kind != SIMPLE:
        return each
    if each.value not in range(LEVELS + 1):
        raise ValueError(f"SIMPLE level {each.value:g}, which is 0 to {LEVELS}")
    if each.value == 0:
        return None
    watts = levels_w[min(int(each.value), len(levels_w)) - 1]
    return replace(each, kind=IMPORT_LIMIT, value=Decimal(str(watts)), own_units="W")


def _checked(each: Holding) -> None:
    """Raises ValueError where its number cannot be meant."""
    if each.kind == RELATIVE:
        return
    if each.kind == CHARGE:
        if each.units == "PERCENT":
            right = 0 <= each.value <= 100
        else:
            right = 0 <= energy_wh(each.value, each.units) <= MOST_W
        if not right:
            raise ValueError(f"a state of charge of {each.value:g} {each.units}")
        return
    watts = power_w(each.value, each.units)
    if abs(watts) > MOST_W or (each.kind in LIMITS and watts < 0):
        raise ValueError(f"{each.kind} of {each.value:g} {each.units}")


def limits(
    found: Sequence[Holding], now: datetime, heard: datetime | None
) -> tuple[OperatorCommand, ...]:
    """One command for each direction: the limit that holds, or None that lifts it.

    It holds to the end of its interval, whoever is away; one without end until its server has been silent for a day.
    """
    commands = []
    for kind, direction in LIMITS.items():
        top = holding((h for h in found if h.kind == kind), now)
        limit = min(top, key=lambda h: power_w(h.value, h.units), default=None)
        until = None if limit is None else _until(limit, now, heard)
        if limit is None or until is None or now >= until:
            commands.append(OperatorCommand("", direction, None, None, "programme"))
            continue
        limit_w = float(power_w(limit.value, limit.units))
        name = f"{limit.event.id}/{limit.interval}/{limit_w:g}/{iso(until)}"
        commands.append(OperatorCommand(name, direction, limit_w, until, "programme"))
    return tuple(commands)


def _until(limit: Holding, now: datetime, heard: datetime | None) -> datetime:
    """The same for half a day, so that it is no new command with each look."""
    if limit.end < ENDLESS - timedelta(days=1):
        return limit.end
    return floor_to(heard or now, RENEWED) + RENEWED + SILENCE


def most_wh(found: Sequence[Holding], kind: str, interval: Interval) -> float | None:
    """What an announced limit leaves of a quarter-hour; None where none is announced.

    The least that holds at any time of it, for the meter tells of the whole.
    """
    own = [h for h in found if h.kind == kind]
    begins = {interval.start, *(h.start for h in own if interval.start < h.start < interval.end)}
    ends = {h.end for h in own if interval.start < h.end < interval.end}
    held = (power_w(h.value, h.units) for at in begins | ends for h in holding(own, at))
    least = min(held, default=None)
    return None if least is None else float(least) * interval.hours


def dispatched_wh(found: Sequence[Holding], interval: Interval) -> int | None:
    """What is to be given to the grid in a quarter-hour, net (- is taken); None where nothing is asked.

    The standard's number is consumption. It is followed by whole quarter-hours: those of whose middle it holds.
    """
    top = dispatch_of(found, interval)
    if top is None:
        return None
    wanted_wh = round(-power_w(top.value, top.units) * Decimal(interval.hours))
    return wanted_wh or -1  # nothing at all is asked for, and a position of 0 is none


def dispatch_of(found: Sequence[Holding], interval: Interval) -> Holding | None:
    """The dispatch that holds in the middle of a quarter-hour."""
    middle = interval.start + (interval.end - interval.start) / 2
    top = holding((h for h in found if h.kind == DISPATCH), middle)
    return top[0] if top else None


@dataclass(frozen=True, slots=True)
class Wanted:
    """So much shall be stored from ``start`` on, until ``end``."""

    stored_wh: float
    start: datetime
    end: datetime


def wanted(found: Sequence[Holding], now: datetime, spec: BatterySpec) -> tuple[Wanted, ...]:
    """The charge that events ask for, and what the dispatches to come need."""
    asked: list[Wanted] = []
    for each in found:
        if each.kind == CHARGE and now < each.end:
            stored_wh = (
                float(each.value) / 100 * spec.capacity_wh
                if each.units == "PERCENT"
                else float(energy_wh(each.value, each.units))
            )
            asked.append(Wanted(min(stored_wh, spec.capacity_wh), each.start, each.end))
    return (*asked, *_for_dispatches(found, now, spec))


def _for_dispatches(found: Sequence[Holding], now: datetime, spec: BatterySpec) -> Iterator[Wanted]:
    """What is to be given in one go must be there when it begins."""
    ahead = sorted(
        (h for h in found if h.kind == DISPATCH and h.start > now), key=lambda h: h.start
    )
    for _, group in groupby(ahead, key=lambda h: h.event.id):
        each = list(group)
        given_wh = sum(
            max(0.0, -float(power_w(h.value, h.units))) * ((h.end - h.start) / timedelta(hours=1))
            for h in each
        )
        start = quarter_of(each[0].start).start
        if given_wh and start > now:
            stored_wh = spec.reserve_wh + given_wh / spec.discharge_efficiency
            yield Wanted(min(stored_wh, spec.capacity_wh), start, start)


def valued(
    curve: ValueCurve,
    asked: Iterable[Wanted],
    now: datetime,
    stored_wh: float,
    spec: BatterySpec,
    import_price: float | None,
) -> ValueCurve:
    """``curve`` with what events want: dear where it would come too late else, and not used up before.

    In time the battery charges from the sun; from the grid only as late as it must.
    """
    for each in asked:
        missing_wh = max(0.0, each.stored_wh - stored_wh)
        needs_h = _SPARE * missing_wh / max(1.0, spec.max_charge_w * spec.charge_efficiency)
        latest = each.start - timedelta(hours=needs_h)
        if latest <= now < each.end:
            curve = _raised(curve, each.stored_wh, _NOT_LEFT)
        elif each.start - _HELD_BACK <= now < each.start and import_price is not None:
            curve = _raised(curve, each.stored_wh, max(import_price, 0.0))
    return curve


def _raised(curve: ValueCurve, below_wh: float, least: float) -> ValueCurve:
    """Worth at least so much below that charge."""
    points = sorted({*curve.stored_wh, below_wh, below_wh + 1.0})
    values = [max(curve.at(wh), least) if wh <= below_wh else curve.at(wh) for wh in points]
    return replace(curve, stored_wh=tuple(points), value_per_mwh=tuple(values))
