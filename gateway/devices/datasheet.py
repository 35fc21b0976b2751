"""The datasheet of a device as frozen data: how to ask it, what it measures, how it is steered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from gateway.domain.control import Control
from gateway.errors import DeviceError
from gateway.modbus.address import BusTiming
from gateway.modbus.frames import TidMode
from gateway.modbus.registers import Block, Field, Missing, Value, plan

_LEAST_HZ, _MOST_HZ = 40.0, 70.0

# How often: at each poll; once a minute; or at each poll while a car charges, else once a minute.
Poll = Literal["fast", "slow", "charging"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Communication:
    """How a model likes to be asked. ``unit`` is the usual one; 0 and 255 are legal."""

    port: int = 502
    unit: int = 1
    timeout_s: float = 2.0
    connect_delay_s: float = 0.0
    min_gap_s: float = 0.0
    max_read: int = 125
    max_gap: int = 0  # unwanted registers that one request may bridge
    tid_mode: TidMode = TidMode.STRICT
    sleeps_at_night: bool = False  # silence is then no fault worth a warning
    sleeps_without_battery: bool = False  # the same, where no battery keeps it awake
    single_client: bool = False  # a second client is refused: stop the other one

    @property
    def timing(self) -> BusTiming:
        return BusTiming(self.timeout_s, self.connect_delay_s, self.min_gap_s, self.tid_mode)


@dataclass(frozen=True, slots=True)
class Output:
    """One reading: ``combine`` makes it from the fields' values, all from the same poll."""

    metric: str
    fields: tuple[Field, ...]
    combine: Callable[..., Value]
    poll: Poll = "fast"


def one(metric: str, source: Field, poll: Poll = "fast") -> Output:
    """A reading that is one field."""
    return Output(metric, (source,), lambda value: value, poll)


def frequency(source: Field, poll: Poll = "fast") -> Output:
    """The grid's: a sleeping inverter says 0 Hz, it measures none. No grid is far from 50 or 60."""

    def measured(value: Value) -> Value:
        if not isinstance(value, int | float):
            return value
        if value == 0:
            return Missing.ABSENT
        return value if _LEAST_HZ <= value <= _MOST_HZ else Missing.BAD

    return Output("grid_frequency_hz", (source,), measured, poll)


def counted(value: Value) -> Value:
    """A lifetime count of 0 is one that is not kept, or not yet, at wake-up."""
    return Missing.ABSENT if value == 0 else value


def lifetime(metric: str, source: Field, poll: Poll = "fast") -> Output:
    """A counter of energy that is one field."""
    return Output(metric, (source,), counted, poll)


def grid_counters(
    bought: Field,
    sold: Field | None = None,
    poll: Poll = "fast",
    while_present: Field | None = None,
) -> tuple[Output, ...]:
    """A meter's counters of import and export. A new one shows 0 of one direction for long.

    So 0 is a count only where the other direction shows that energy is counted at all.
    ``while_present``: a status that is 0 while the meter is not heard.
    """

    def judged(value: Value, other: Value = Missing.ABSENT, present: Value = 1) -> Value:
        if present == 0 or isinstance(present, Missing):
            return Missing.ABSENT
        alive = isinstance(other, int | float) and other > 0
        return value if alive else counted(value)

    status = (while_present,) if while_present else ()
    if sold is None:
        return (Output("grid_import_wh", (bought,), judged, poll),)
    return (
        Output("grid_import_wh", (bought, sold, *status), judged, poll),
        Output("grid_export_wh", (sold, bought, *status), judged, poll),
    )


def numeric(combine: Callable[..., Value]) -> Callable[..., Value]:
    """``combine`` on numbers only: BAD if any part is bad, else ABSENT if any part is absent."""

    def checked(*values: Value) -> Value:
        if Missing.BAD in values:
            return Missing.BAD
        if Missing.ABSENT in values:
            return Missing.ABSENT
        return combine(*values)

    return checked


def total(*values: Value) -> Value:
    """A sum in which an absent part is missing, so that the sum is."""
    return numeric(lambda *numbers: round(sum(numbers), 6))(*values)


def total_of_present(*values: Value) -> Value:
    """A sum in which absent parts are normal (unused inputs); ABSENT only if all are."""
    present = [v for v in values if v is not Missing.ABSENT]
    return total(*present) if present else Missing.ABSENT


def named(names: Mapping[int, str]) -> Callable[[Value], Value]:
    """An enumeration as text; a number that the data sheet does not name is BAD."""

    def name(value: Value) -> Value:
        if isinstance(value, Missing):
            return value
        return names.get(int(value), Missing.BAD)

    return name


def held_unless(*neutral: int) -> Callable[[Value], Value]:
    """``battery_mode`` of a register that has one of ``neutral`` while nobody steers the battery."""

    def mode(value: Value) -> Value:
        if isinstance(value, Missing):
            return value
        return "auto" if value in neutral else "held"

    return mode


# -- control --


@dataclass(frozen=True, slots=True)
class Write:
    """One request that writes ``words`` from ``address``.

    ``optional``: a refusal is no failure (the register is missing in some models).
    ``check``: the words are expected to read back.
    """

    address: int
    words: tuple[int, ...]
    fc: Literal[6, 16] = 16
    optional: bool = False
    check: bool = True

    @property
    def by_address(self) -> tuple[tuple[int, int], ...]:
        """Each register with its word."""
        return tuple((self.address + i, word) for i, word in enumerate(self.words))


class ReadBack:
    """The registers that a control depends on, as last read; indexed by address."""

    def __init__(self, raw: Mapping[Block, bytes]) -> None:
        self._raw = raw

    def value(self, field: Field) -> Value:
        """The decoded field, ABSENT where its registers could not be read."""
        for block, data in self._raw.items():
            if block.holds(field.table, *field.span):
                return field.decode(data, block.address)
        return Missing.ABSENT

    def has(self, field: Field) -> bool:
        """Whether the field's registers could be read at all."""
        return any(b.holds(field.table, *field.span) for b in self._raw)

    def word(self, address: int) -> int | None:
        """The raw holding register, None where it was not read."""
        value = self.value(Field(address, "u16", plain=True))
        return value if isinstance(value, int) else None

    def number(self, field: Field) -> float | None:
        value = self.value(field)
        return value if isinstance(value, int | float) else None


@dataclass(frozen=True, slots=True)
class Lease:
    """The device's own dead-man: it drops our setpoint by itself.

    ``kind`` none: it has none, the gateway restores from its stored intent at the next start.
    """

    kind: Literal["reversion", "heartbeat", "toggle", "none"]
    seconds: float = 0.0  # after which the device drops the setpoint
    refresh_s: float = 20.0  # how often all of the setpoint is written again


_STEP_W = 50  # the panels' flicker is not worth a write
_MOST_LOSS = 0.1  # of the power converted


@dataclass(frozen=True, slots=True)
class MeasuredPower:
    """What an AC setpoint follows: DC power of panels and batteries, AC power of the inverter.

    ``panels`` must all be read; inputs that the model does not have say so (absent). Losses are left out
    where ``batteries`` or ``ac`` are not stated.
    """

    panels: tuple[Field, ...]
    batteries: Output | None = None  # discharge +
    ac: Field | None = None
    max_gap: int = 0

    @property
    def blocks(self) -> tuple[Block, ...]:
        """The requests that read them all."""
        more = self.batteries.fields if self.batteries else ()
        fields = (*self.panels, *more, *((self.ac,) if self.ac else ()))
        return plan([(f.table, *f.span) for f in fields], max_gap=self.max_gap)

    def ac_setpoint(self, battery_w: float, read_back: ReadBack) -> float:
        """AC power (W, out of the inverter +) at which the battery is left with ``battery_w``.

        Raises DeviceError where the panels' power is not known: told to the inverter alone, a
        battery's power would throttle the panels or charge from the wrong place.
        """
        sun = total_of_present(*(read_back.value(f) for f in self.panels))
        if sun is Missing.ABSENT:
            sun = 0.0  # all inputs say that they are not there
        if not isinstance(sun, int | float) or not all(read_back.has(f) for f in self.panels):
            raise DeviceError("the panels' power cannot be read, so no AC setpoint can be made")
        wanted = battery_w + sun - self._losses(sun, read_back)
        return round(wanted / _STEP_W) * _STEP_W

    def _losses(self, sun: float, read_back: ReadBack) -> float:
        """DC minus AC power now, where all is known and the conversion is believable."""
        if self.batteries is None or self.ac is None:
            return 0.0
        battery = self.batteries.combine(*(read_back.value(f) for f in self.batteries.fields))
        ac = read_back.value(self.ac)
        if not isinstance(battery, int | float) or not isinstance(ac, int | float):
            return 0.0
        dc = sun + battery
        return max(0.0, min(_MOST_LOSS * max(abs(dc), abs(ac)), dc - ac))


# What a setpoint's register means: the battery's own power, the inverter's AC output (panels and
# battery together), or the power at the grid connection.
Limits = Literal["battery", "inverter_ac", "grid", "charger"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlSheet:
    """How one control is taken, held and released, as the data sheet has it.

    ``hold`` gives the writes for a value, in the order in which they must be sent; ``neutral``
    gives those that release. Both know the registers read now and the words saved at takeover (address ->
    word; empty when the setpoint is not known to be ours). ``restore_registers`` are the addresses to remember.
    ``persists_after_lease`` are those of them that the device's own timer leaves as we set them: they are put back at
    the next start, and nothing is taken that could not be remembered.
    ``limits`` says what the register limits. Where it is not the battery, a battery's power becomes a
    setpoint by what is measured in the same read (``recompute``).
    ``flash`` are the addresses that the device keeps in flash, or of which nobody knows better:
    written on change only, and ``max_per_day`` times at most. ``required`` are registers without which
    a model does not have this control.
    """

    control: Control
    limits: Limits
    read_back: tuple[Block, ...]
    hold: Callable[[float, ReadBack, Mapping[int, int]], tuple[Write, ...]]
    neutral: Callable[[ReadBack, Mapping[int, int]], tuple[Write, ...]]
    lease: Lease
    restore_registers: tuple[int, ...] = ()
    is_neutral: Callable[[ReadBack], bool | None] = lambda read_back: None
    persists_after_lease: tuple[int, ...] = ()
    flash: tuple[int, ...] = ()
    max_per_day: int = 0
    required: tuple[Block, ...] = ()
    settle_s: float = 30.0  # until the effect can be seen in the measured power
    on_foreign_setpoint: Literal["clear", "keep"] = "clear"  # at start: end it, or respect it
    recompute: bool = False  # the writes depend on what is measured: made anew at each hold

    @property
    def presence(self) -> str:
        """The reading without which there is nothing to steer: absent there, the control is withheld."""
        return "battery_soc_pct" if self.control is Control.BATTERY_POWER else ""


@dataclass(frozen=True, slots=True)
class Identity:
    """What a device says it is; empty where it does not say."""

    manufacturer: str = ""
    model: str = ""
    version: str = ""
    serial: str = ""


@dataclass(frozen=True, slots=True)
class Source:
    """A device as bound to its registers: what to read, what it means, how to steer it."""

    outputs: tuple[Output, ...]
    controls: tuple[ControlSheet, ...] = ()
    identity: Identity = Identity()
    anchors: tuple[tuple[Field, int], ...] = ()  # words that tell that the layout is still this


@dataclass(frozen=True, slots=True, kw_only=True)
class SunSpecSheet:
    """What a SunSpec profile takes from the chain."""

    inverter: bool = True
    meter: bool = True
    battery_control: bool = False  # model 124 as Fronius reads it
    pv_limit: bool = False  # model 123 or 704
    unnamed_are_panels: bool = False  # the maker's model 160 has no names and holds no battery
    battery_charge: Output | None = None  # power into batteries that SunSpec does not show


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One supported model, or family with one register map.

    ``verified`` says on what the map was checked: captured registers of a real device, or only
    the data sheet. A profile reads by ``sunspec``, by its own ``source``, or by both: then the
    source adds to what SunSpec gave and replaces readings of the same metric.
    ``identify``: fields that must match regular expressions, on a unit without SunSpec; ``says``:
    what it then tells of itself. ``maker``: what SunSpec model 1 must say (manufacturer and model,
    one regular expression).
    """

    key: str
    title: str
    kind: Literal["inverter", "hybrid", "meter", "charger", "any"]
    verified: Literal["capture", "data sheet"]
    communication: Communication = Communication()
    sunspec: SunSpecSheet | None = None
    source: Source | None = None
    controls: frozenset[Control] = frozenset()  # what the model can do at best
    identify: tuple[tuple[Field, str], ...] = ()
    says: tuple[tuple[Literal["model", "version", "serial"], Field], ...] = ()
    maker: str = ""
    choices: tuple[Profile, ...] = ()  # profiles among which the device itself decides: 'auto'


def restore(
    saved: Mapping[int, int], address: int, count: int = 1, fc: Literal[6, 16] = 16
) -> tuple[Write, ...]:
    """The write that puts back what stood there before us; nothing where that is not known."""
    words = [saved.get(address + i) for i in range(count)]
    known = tuple(w for w in words if w is not None)
    return (Write(address, known, fc),) if len(known) == count else ()


def span(address: int, count: int) -> tuple[int, ...]:
    """The addresses of ``count`` registers."""
    return tuple(range(address, address + count))
