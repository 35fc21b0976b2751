"""What may stand in a sheet: the format as msgspec structs, from which the JSON schema is made.

Names are those of the file; what a key means is said beside it, once, and shown by editors. Numbers
are as on the wire: addresses from 0, registers of 16 bits. Nothing here reads or decides anything.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

Number = int | float
Type = Literal["u16", "i16", "u32", "i32", "u64", "i64", "f32", "f64", "acc32", "acc64", "str"]
Table = Literal["holding", "input"]
Order = Literal["big", "little"]
Poll = Literal["fast", "slow", "charging"]
Direction = Literal[
    "charge",
    "rest",
    "discharge",
    "pause",
    "off",
    "on",
    "blocked",
    "normal",
    "encouraged",
    "ordered",
]
Address = Annotated[int, Meta(ge=0, le=0xFFFF, description="0-based, as on the wire")]
# Patterns stand in the schema only: msgspec 0.22 crashes at exit over one in a union with a list.
NAME, TERM = "^[a-z][a-z0-9_]*$", "^-?[a-z][a-z0-9_]*$"
Name = Annotated[str, Meta(extra_json_schema={"pattern": NAME})]
Term = Annotated[
    str, Meta(description="a name; '-' before it negates", extra_json_schema={"pattern": TERM})
]


class Test(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a value must be; all that is given must hold."""

    min: Annotated[Number | None, Meta(description="at least")] = None
    max: Annotated[Number | None, Meta(description="at most")] = None
    not_: Annotated[Number | list[Number] | None, Meta(description="none of these numbers")] = (
        field(default=None, name="not")
    )
    bits: Annotated[int | None, Meta(description="all bits of this mask are set")] = None
    no_bits: Annotated[int | None, Meta(description="no bit of this mask is set")] = None
    match: Annotated[
        str | None, Meta(description="the value as text matches this regular expression")
    ] = None


Condition = Annotated[
    int | float | list[int | float] | Literal["absent", "there"] | Test,
    Meta(description="a number, one of several, whether it is there, or a test"),
]
All = dict[str, Condition]
When = Annotated[
    All | list[All],
    Meta(description="name -> condition, all of which must hold; of a list of such, one"),
]


class Communication(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How the device likes to be asked."""

    port: Annotated[int, Meta(description="usual TCP port")] = 502
    unit: Annotated[int, Meta(ge=0, le=255, description="usual unit number")] = 1
    timeout_s: Annotated[float, Meta(gt=0, le=30)] = 3.0
    connect_delay_s: Annotated[float, Meta(ge=0, le=10, description="pause after connecting")] = 0.0
    min_gap_s: Annotated[float, Meta(ge=0, le=5, description="pause between requests")] = 0.0
    max_read: Annotated[int, Meta(ge=1, le=125, description="longest read, registers")] = 125
    max_gap: Annotated[
        int, Meta(ge=0, le=124, description="unwanted registers that one read may bridge")
    ] = 0
    tid_mode: Annotated[
        Literal["strict", "low_byte", "ignore"],
        Meta(description="how the transaction number of a reply is checked"),
    ] = "strict"
    sleeps_at_night: Annotated[bool, Meta(description="silence in the dark is no fault")] = False
    sleeps_without_battery: bool = False
    single_client: Annotated[bool, Meta(description="it refuses a second connection")] = False


class SunSpec(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is taken from the device's SunSpec models."""

    inverter: bool = True
    meter: bool = True
    battery_control: Annotated[bool, Meta(description="model 124, or 704")] = False
    pv_limit: Annotated[bool, Meta(description="model 123 or 704")] = False
    unnamed_are_panels: Annotated[
        bool, Meta(description="its model 160 has no names and holds no battery")
    ] = False


class Register(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One value in the registers."""

    at: Address
    type: Type
    table: Table | None = None
    words: Annotated[Order | None, Meta(description="which register comes first")] = None
    bytes: Annotated[Order | None, Meta(description="which byte of a register comes first")] = None
    scale: Annotated[Number, Meta(description="value = raw x scale + offset")] = 1
    offset: Number = 0
    scale_at: Annotated[
        Address | None, Meta(description="a signed register: value x ten to its power")
    ] = None
    bits: Annotated[
        tuple[int, int] | None, Meta(description="[first, count]: only these bits, 0 the lowest")
    ] = None
    absent: Annotated[
        list[Number], Meta(description="raw numbers that mean 'not there', besides the usual ones")
    ] = field(default_factory=list)
    plain: Annotated[
        bool, Meta(description="0xFFFF, 0x8000 and the like are values here, no markers")
    ] = False
    valid: Annotated[
        tuple[Number, Number] | None, Meta(description="[least, most] that can be true, scaled")
    ] = None
    count: Annotated[int, Meta(ge=1, le=125, description="registers of a text")] = 1
    size_counts: Annotated[bool, Meta(description="an accumulator that runs below 0")] = False
    may_lack: Annotated[
        bool,
        Meta(
            description="some models lack it: where it is refused a sum of present goes on without"
        ),
    ] = False


Combine = Literal[
    "sum",
    "sum of present",
    "product",
    "first present",
    "mean of present",
    "weighted mean",
]
Of = Annotated[
    Term | list[Term], Meta(description="registers or values; '-' before a name negates it")
]


class Case(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One of several ways to make a value: the first whose condition holds counts."""

    when: When | None = None
    of: Of | None = None
    by: Combine = "sum"
    scale: Number = 1
    offset: Number = 0
    is_: Annotated[Number | str | None, Meta(description="this number or word")] = field(
        default=None, name="is"
    )
    missing: Literal["absent", "bad"] | None = None


class Reading(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A reading or a value: a register of its own (`at`), others (`of`), or the first of `cases`."""

    at: Address | None = None
    type: Type | None = None
    table: Table | None = None
    words: Order | None = None
    bytes: Order | None = None
    scale_at: Address | None = None
    bits: tuple[int, int] | None = None
    absent: list[Number] = field(default_factory=list)
    plain: bool = False
    count: Annotated[int, Meta(ge=1, le=125)] = 1
    size_counts: bool = False
    of: Of | None = None
    by: Annotated[
        Combine,
        Meta(
            description="with 'sum' a missing part is missing; 'of present' passes over the absent"
        ),
    ] = "sum"
    weights: Annotated[list[Name], Meta(description="of a weighted mean, one for each")] = field(
        default_factory=list
    )
    cases: list[Case] = field(default_factory=list)
    scale: Number = 1
    offset: Number = 0
    valid: tuple[Number, Number] | None = None
    names: Annotated[
        dict[str, str],
        Meta(
            description="number ('3', '0x200', '0-3', '*' for any other) or beginning of a text -> word"
        ),
    ] = field(default_factory=dict)
    while_: Annotated[
        When | None, Meta(description="it is there while this holds, else absent")
    ] = field(default=None, name="while")
    poll: Annotated[
        Poll | None,
        Meta(
            description="fast: each poll; slow: once a minute; charging: fast while a car charges"
        ),
    ] = None


class Match(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A register that tells the family: its value as text matches."""

    register: Name
    match: Annotated[str, Meta(description="regular expression; '.' for any value that is valid")]


class Source(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where facts are published."""

    who: Annotated[str, Meta(min_length=2, description="maker or project: one voice a name")]
    where: Annotated[str, Meta(description="paper, file or issue")] = ""


class WriteSource(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Who publishes address, width, unit, sign and order of which registers that are written."""

    who: Annotated[str, Meta(min_length=2, description="maker or project: one voice a name")]
    where: Annotated[str, Meta(description="paper, file or issue")] = ""
    registers: Annotated[
        list[str], Meta(min_length=1, description="the registers that it tells; 'all' for all")
    ]


SetpointWord = Literal["setpoint", "size"]


class Choice(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """By the direction asked for, or what was saved before the first write."""

    charge: Number | SetpointWord | None = None
    rest: Number | SetpointWord | None = None
    discharge: Number | SetpointWord | None = None
    pause: Annotated[Number | SetpointWord | None, Meta(description="a charger that pauses")] = None
    off: Annotated[Number | SetpointWord | None, Meta(description="a heater that is off")] = None
    on: Number | SetpointWord | None = None
    blocked: Annotated[Number | None, Meta(description="SG Ready state 1")] = None
    normal: Annotated[Number | None, Meta(description="SG Ready state 2")] = None
    encouraged: Annotated[Number | None, Meta(description="SG Ready state 3")] = None
    ordered: Annotated[Number | None, Meta(description="SG Ready state 4")] = None
    saved: Annotated[Name | None, Meta(description="what stood in this register before us")] = None
    or_: Annotated[
        Number | Name | None,
        Meta(
            description="where nothing is saved: a number, or a register as it reads now; "
            "without it nothing is written"
        ),
    ] = field(default=None, name="or")


class Bound(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A bound that the owner's own setting gives."""

    saved: Name
    when_saved: When | None = None


Limit = Number | Name | Bound


class Step(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One write. Exactly one of `write`, `restore`, `together`."""

    write: Annotated[Name | None, Meta(description="the register")] = None
    value: Annotated[
        Number | SetpointWord | Choice | None,
        Meta(
            description="a number; 'setpoint' with its sign, 'size' without; or by direction. "
            "In the units of the register: its scale and offset are applied"
        ),
    ] = None
    restore: Annotated[Name | None, Meta(description="what was saved of this register")] = None
    together: Annotated[
        list[Step], Meta(description="neighbouring registers that one request writes")
    ] = field(default_factory=list)
    negate: Annotated[bool, Meta(description="the register's sign is not ours")] = False
    percent_of: Annotated[Name | None, Meta(description="100 x value / this register")] = None
    least: Limit | None = None
    most: Annotated[
        Limit | list[Limit] | None, Meta(description="a number, a register, an owner's setting")
    ] = None
    zero: Annotated[Number | None, Meta(description="written where the value is 0")] = None
    round: Literal["nearest", "down"] = "nearest"
    fc: Annotated[Literal[6, 16], Meta(description="function code")] = 16
    optional: Annotated[bool, Meta(description="a refusal is no failure")] = False
    check: Annotated[bool, Meta(description="it reads back what was written")] = True
    again: Annotated[
        bool, Meta(description="sent at a release though it reads so: a step before may change it")
    ] = False
    once: Annotated[
        bool,
        Meta(description="each write acts anew and nothing reads back: sent only when it changes"),
    ] = False
    only: Annotated[list[Direction], Meta(description="only when asked for one of these")] = field(
        default_factory=list
    )
    when: Annotated[When | None, Meta(description="only while the device reads so")] = None
    when_saved: Annotated[When | None, Meta(description="only if this stood there before us")] = (
        None
    )


class Lease(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The device's own dead-man."""

    kind: Literal["reversion", "heartbeat", "toggle", "none"]
    seconds: Annotated[float, Meta(ge=0, description="after which it drops our setpoint")] = 0.0
    refresh_s: Annotated[float, Meta(gt=0, description="how often all is written again")] = 20.0


class Refusal(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A state of the device in which nothing is set."""

    when: When | None = None
    when_saved: Annotated[When | None, Meta(description="if this stood there before us")] = None
    because: str


class Follows(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is measured, for a setpoint that is not the battery's own.

    `inverter_ac`: panels, and for the losses battery and ac. `grid`: loads and panels, or grid
    (import +) and battery (discharge +).
    """

    panels: list[Name] = field(default_factory=list)
    loads: list[Name] = field(default_factory=list)
    battery: Name | None = None
    ac: Name | None = None
    grid: Name | None = None


class Control(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How one control is taken, held and let go."""

    limits: Annotated[
        Literal["battery", "inverter_ac", "grid", "charger", "heater"],
        Meta(description="whose power (or current) the register sets"),
    ]
    sources: Annotated[
        list[WriteSource], Meta(description="fewer than two for a register: not offered")
    ]
    hold: Annotated[list[Step], Meta(min_length=1)]
    neutral: Annotated[list[Step], Meta(description="how it is let go; none: by its own timer")]
    lease: Lease
    is_neutral: When | None = None
    restore: Annotated[
        list[Name], Meta(description="registers that are saved before the first write")
    ] = field(default_factory=list)
    persists_after_lease: Annotated[
        list[Name],
        Meta(description="those of them that the device's own timer leaves as we set them"),
    ] = field(default_factory=list)
    flash: Annotated[
        list[Name], Meta(description="kept in flash: written on change only, and counted")
    ] = field(default_factory=list)
    max_per_day: Annotated[int, Meta(ge=0)] = 0
    required: Annotated[
        list[Name], Meta(description="a model without these does not have the control")
    ] = field(default_factory=list)
    required_when: Annotated[
        When | None,
        Meta(description="a model of which this does not hold does not have the control"),
    ] = None
    apart: Annotated[list[Name], Meta(description="read by a request of their own")] = field(
        default_factory=list
    )
    read: Annotated[
        list[tuple[Table, Address, int]],
        Meta(description="requests of the read-back, where they do not follow from the registers"),
    ] = field(default_factory=list)
    refuse: list[Refusal] = field(default_factory=list)
    charging: Annotated[
        When | None,
        Meta(
            description="the phases of a charger: its car draws while this holds. Nothing is switched then, "
            "and to let go the car is paused first"
        ),
    ] = None
    pauses_itself: Annotated[
        bool, Meta(description="the phases of a charger: it stops the car for a switch by itself")
    ] = False
    follows: Follows | None = None
    step: Annotated[
        float, Meta(ge=0, description="least change of the setpoint that is worth a write")
    ] = 0.0
    pause_below: Annotated[float, Meta(ge=0, description="A; less is a pause")] = 6.0
    settle_s: Annotated[float, Meta(gt=0, description="until the power shows the effect")] = 30.0
    on_foreign_setpoint: Annotated[
        Literal["clear", "keep"], Meta(description="at the start: end it, or respect it")
    ] = "clear"


class Defaults(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What holds for every register that does not say otherwise."""

    table: Table = "holding"
    words: Order = "big"
    bytes: Order = "big"


class Says(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which registers tell what the device is."""

    model: Name | None = None
    version: Name | None = None
    serial: Name | None = None


Control_ = Literal[
    "battery_power_w",
    "pv_limit_w",
    "export_limit_w",
    "reserve_pct",
    "charge_phases",
    "charge_current_a",
    "heat_power_w",
    "sg_ready",
]


class Sheet(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """All of a family: how it is asked and recognised, what it measures, how it is steered."""

    key: Annotated[str, Meta(pattern="^[a-z0-9]+(-[a-z0-9]+)*$", description="for `profile = `")]
    title: Annotated[str, Meta(min_length=3, description="maker first")]
    kind: Literal["inverter", "hybrid", "meter", "charger", "heater"]
    verified: Annotated[
        Literal["capture", "data sheet"],
        Meta(description="capture: read right from registers of a real device"),
    ] = "data sheet"
    about: Annotated[str, Meta(description="what one must know; why it is so")] = ""
    sources: Annotated[list[Source], Meta(description="of what is read")] = field(
        default_factory=list
    )
    communication: Communication = field(default_factory=Communication)
    sunspec: SunSpec | None = None
    maker: Annotated[
        str, Meta(description="regular expression for maker and model of SunSpec model 1")
    ] = ""
    identify: Annotated[
        list[Match], Meta(description="all must match on a unit without SunSpec")
    ] = field(default_factory=list)
    says: Says = field(default_factory=Says)
    defaults: Defaults = field(default_factory=Defaults)
    registers: dict[Name, Register] = field(default_factory=dict)
    values: Annotated[
        dict[Name, Reading], Meta(description="steps on the way to readings; not published")
    ] = field(default_factory=dict)
    readings: Annotated[
        dict[str, Name | Reading], Meta(description="metric -> register, value or reading")
    ] = field(default_factory=dict)
    controls: dict[Control_, Control] = field(default_factory=dict)
