"""What may stand in a sheet: the format as msgspec structs, from which the JSON schema is made.

Names are those of the file; what a key means is said beside it, once, and shown by editors. Numbers
are as on the wire: addresses from 0, registers of 16 bits. Nothing here reads or decides anything.
What may be written is in `control_format`, what all of it is made of in `terms`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from gateway.devices.sheets.control_format import Control
from gateway.devices.sheets.terms import (
    Address,
    Name,
    Number,
    Order,
    Poll,
    Table,
    Term,
    Type,
    When,
)


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
