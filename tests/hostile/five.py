"""What must hold of every hostile act: five properties, asserted in one place.

Each is a list of what was found wrong. A neighbour whose stage cannot show one of them says why, and
docs/security.md has those words.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

MOST_LINES, LONGEST_LINE = 5, 500


class Property(StrEnum):
    """Of an act."""

    CONTROL = "control never late"
    NUMBERS = "no wrong number out"
    MONEY = "no money moved"
    BACK = "back within one backoff"
    LINES = "at most 5 lines"


@dataclass(frozen=True)
class Neighbour:
    """Whose acts they are; ``how`` a property is measured there, or why it cannot be (``not_seen``)."""

    who: str
    where: str  # the file of its tests
    how: Mapping[Property, str]
    not_seen: Mapping[Property, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        assert self.how.keys() | self.not_seen.keys() == set(Property), self.who
        assert not self.how.keys() & self.not_seen.keys(), self.who


@dataclass
class Trial:
    """What was found wrong in one act's trial, by property; one that was not looked at is not in it."""

    neighbour: Neighbour
    found: dict[Property, list[str]] = field(default_factory=dict)

    def saw(self, what: Property, wrong: Iterable[object] = ()) -> None:
        """It was looked at; ``wrong`` is what is not as it should be."""
        self.found.setdefault(what, []).extend(str(one) for one in wrong)

    def logged(self, lines: Sequence[str], longest: int = LONGEST_LINE) -> None:
        """What the log said because of the act."""
        self.saw(Property.LINES, lines if len(lines) > MOST_LINES else ())
        odd = (li for li in lines if not li.isprintable() or len(li) >= longest)
        self.saw(Property.LINES, odd)

    def judge(self) -> None:
        """All five, or the reason why not."""
        assert self.found.keys() == self.neighbour.how.keys(), "looked at what can be seen, and all"
        assert not any(self.found.values()), {p.value: w for p, w in self.found.items() if w}


_CONTROL = (
    "a guard in the same event loop reads and steers another inverter: no tick is missed, and each"
    " reads the truth"
)
_LOG = "at most 5 lines, each printable and shorter than 500 characters"
EXCHANGE = Neighbour(
    "exchange",
    "test_exchange.py",
    {
        Property.CONTROL: _CONTROL,
        Property.NUMBERS: "every fill in the account, by which the home delivers, is the honest one",
        Property.MONEY: "every settlement is the honest one, to the tick; lies are disputes",
        Property.BACK: "no round fails once it is over, whose pause is 60 s at most; after lies the"
        " pause of an hour too",
        Property.LINES: _LOG,
    },
)
BROKER = Neighbour(
    "broker and its guests",
    "test_broker.py",
    {
        Property.CONTROL: _CONTROL,
        Property.NUMBERS: "whatever others hear from us is what was measured; at most 12 MB",
        Property.MONEY: "no row of the account but notes of commands",
        Property.BACK: "the newest value is heard and a protecting command is carried out and answered,"
        " without a start (when is the broker's own process's time: it is not asserted)",
        Property.LINES: _LOG,
    },
)
FALSE_BROKER = replace(BROKER, who="broker itself, on the wire", where="test_false_broker.py")
RIGHTS = replace(
    BROKER,
    who="broker that takes our rights away under the connection",
    where="test_broker_rights.py",
)
PAGE = Neighbour(
    "guest of the page",
    "test_page.py",
    {
        Property.CONTROL: _CONTROL,
        Property.NUMBERS: "others see the right power; no server error, no file, no data without a login;"
        " at most 16 MB",
        Property.MONEY: "the page has no other way to it than commands: none is carried out but of those"
        " who logged in",
        Property.BACK: "others log in and command at once; every connection is closed by itself",
        Property.LINES: _LOG,
    },
)
WIRE = Neighbour(
    "device, on the wire",
    "test_device.py",
    {
        Property.CONTROL: _CONTROL + ", also where that guard has the sick one too",
        Property.NUMBERS: "a reading is right or none; at most 8 MB",
        Property.MONEY: "the energy counters, of which the account is made, are right or none",
        Property.BACK: "at the first try after the longest pause of 10 s",
        Property.LINES: _LOG,
    },
)
REGISTERS = Neighbour(
    "device, in its registers",
    "test_device.py",
    {
        Property.CONTROL: _CONTROL + ", also where that guard has the sick one too",
        Property.NUMBERS: "what is read is finite and possible, or none",
        Property.BACK: "at the first try after the longest pause of 10 s",
        Property.LINES: _LOG,
    },
    {
        Property.MONEY: "a counter that is possible is believed; what it may add to the account in a"
        " quarter-hour is bounded where energy is metered",
    },
)
FLIPPING = replace(REGISTERS, who="device, another at each look")
CLOCK = Neighbour(
    "clock",
    "test_clock.py",
    {
        Property.CONTROL: "no tick of the home's guard is missed",
        Property.NUMBERS: "nothing is offered by a wrong clock; no quarter-hour of a time that is not",
        Property.MONEY: "no energy is made up or lost; account and exchange agree; sums are 0",
        Property.BACK: "it trades again within two calls",
        Property.LINES: _LOG,
    },
)
CONFIGURATION = Neighbour(
    "file: configuration",
    "test_files.py",
    {
        Property.NUMBERS: "it is refused as a whole; at most 16 MB",
        Property.LINES: "one error of at most 5 printable lines",
    },
    {
        Property.CONTROL: "the gateway does not start with it; one that runs does not read it again",
        Property.MONEY: "nothing runs that could trade",
        Property.BACK: "it stays refused until a person has mended it",
    },
)
STATE = Neighbour(
    "file: what the gateway has stored",
    "test_files.py",
    {
        Property.NUMBERS: "nothing of it is believed",
        Property.BACK: "what is stored next is there at the next start",
        Property.LINES: _LOG,
    },
    {
        Property.CONTROL: "they are read at the start, before there is a tick",
        Property.MONEY: "the account is another file: tests/store damages that",
    },
)
LINK = Neighbour(
    "file: a link in the place of",
    "test_files.py",
    {
        Property.NUMBERS: "nothing is written where it leads",
        Property.LINES: _LOG,
    },
    {
        Property.CONTROL: "writing is tried once, without a loop",
        Property.MONEY: "none of these files holds money",
        Property.BACK: "a link in the way of a new file is replaced at once, one in the way of a record"
        " stays until a person has removed it, and is said",
    },
)
DISK = Neighbour(
    "disk: each kind of write",
    "test_disk.py",
    {
        Property.NUMBERS: "what is said to be stored is there at the next start, what is said not to be is not; no other error",
        Property.MONEY: "what was stored before is whole",
        Property.BACK: "the next write is stored",
        Property.LINES: _LOG,
    },
    {
        Property.CONTROL: "the guard writes one file of these, between two ticks: tests/safety/test_damaged.py fills its disk"
    },
)
