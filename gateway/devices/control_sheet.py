"""How one control of a device is taken, held and released, as frozen data: the steering part of a datasheet."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from gateway.devices.readout import Output, total_of_present
from gateway.domain.control import Control
from gateway.errors import DeviceError
from gateway.modbus.registers import Block, Field, Missing, Value, plan


@dataclass(frozen=True, slots=True)
class Write:
    """One request that writes ``words`` from ``address``.

    ``optional``: a refusal is no failure (the register is missing in some models).
    ``check``: the words are expected to read back. ``again``: sent at a release though it reads so already, since a
    step before it may change it. ``once``: each write acts anew and cannot be read back, so it is sent only when
    it changes.
    """

    address: int
    words: tuple[int, ...]
    fc: Literal[6, 16] = 16
    optional: bool = False
    check: bool = True
    again: bool = False
    once: bool = False

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

    def reads(self, write: Write) -> bool:
        """Whether what would be written stands there already."""
        return all(self.word(address) == word for address, word in write.by_address)

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
Limits = Literal["battery", "inverter_ac", "grid", "charger", "heater"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlSheet:
    """How one control is taken, held and released, as the data sheet has it.

    ``hold`` gives the writes for a value, in the order in which they must be sent; ``neutral``
    gives those that release. Both know the registers read now and the words saved at takeover (address ->
    word; empty when the setpoint is not known to be ours). ``restore_registers`` are the addresses to remember.
    ``persists_after_lease`` are those of them that the device's own timer leaves as we set them: they are put back at
    the next start, and nothing is taken that could not be remembered.
    ``sources``: independent public ones that agree on address, width, unit, sign and order of the
    writes; with fewer than two the control is not offered.
    ``limits`` says what the register limits. Where it is not the battery, a battery's power becomes a
    setpoint by what is measured in the same read (``recompute``).
    ``flash`` are the addresses that the device keeps in flash, or of which nobody knows better:
    written on change only, and ``max_per_day`` times at most. ``required`` are registers without which
    a model does not have this control, nor does one that they do not suit (``suits``).
    ``under_load``: power flows through what the control would switch, which must be paused first; None where nothing
    is switched, or the device pauses by itself.
    """

    control: Control
    limits: Limits
    sources: tuple[str, ...]
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
    suits: Callable[[ReadBack], bool] = lambda read_back: True
    under_load: Callable[[ReadBack], bool] | None = None
    settle_s: float = 30.0  # until the effect can be seen in the measured power
    on_foreign_setpoint: Literal["clear", "keep"] = "clear"  # at start: end it, or respect it
    recompute: bool = False  # the writes depend on what is measured: made anew at each hold
    by_address: tuple[
        tuple[int, frozenset[str]], ...
    ] = ()  # which of the sources tell which register

    @property
    def is_proved(self) -> bool:
        """Whether two independent sources say what is written: one alone may be wrong in the same way.

        Where it is told which source tells which register, that holds for every register written.
        """
        return voices(self.sources) >= 2 and all(voices(told) >= 2 for _, told in self.by_address)

    @property
    def presence(self) -> str:
        """The reading without which there is nothing to steer: absent there, the control is withheld."""
        of_battery = self.control in (Control.BATTERY_POWER, Control.RESERVE)
        return "battery_soc_pct" if of_battery else ""


def voices(sources: Iterable[str]) -> int:
    """How many of the sources are independent: an owner's repositories are one voice, however they are spelled."""
    heard: list[frozenset[str]] = []
    for source in sources:
        name = source.casefold().split(":")[0].split("#")[0].strip()
        owner, slash, repository = name.partition("/")
        words = frozenset((owner.strip(), repository.strip()) if slash else (name,))
        same = [other for other in heard if other & words]
        heard = [other for other in heard if other not in same] + [words.union(*same)]
    return len(heard)


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
