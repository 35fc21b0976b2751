"""What may stand in a sheet's controls: what is written, when, in which order, and how it is let go."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from gateway.devices.sheets.terms import Address, Direction, Name, Number, Table, When


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
