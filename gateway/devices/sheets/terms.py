"""What the keys of a sheet are made of: numbers, names, addresses, and conditions on what a device reads."""

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
