"""What a bridge's sheet may say, as msgspec structs: where a device's values stand in its JSON, and how it is switched."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct, field

Scalar = bool | int | float | str


class Case(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A word for what holds: the first case whose conditions are all met."""

    is_: str = field(name="is")
    when: dict[str, Scalar] = field(default_factory=dict)


class Reading(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One metric. ``at``: a path, or the first of several that is there. ``sum``: of what is there; ``products``: of pairs.

    ``unit`` is what the number is in; it must be one of the metric's kind. ``unit_at`` and ``time_at`` are paths to
    what the device itself says. ``ask`` is the request if not the sheet's own.
    """

    at: str | list[str] = field(default_factory=list)
    sum: list[str] = field(default_factory=list)
    products: list[tuple[str, str]] = field(default_factory=list)
    cases: list[Case] = field(default_factory=list)
    unit: str = ""
    scale: float = 1.0
    valid: tuple[float, float] | None = None
    optional: bool = False
    unit_at: str = ""
    time_at: list[str] = field(default_factory=list)
    max_age_s: float | None = None
    ask: str = ""


class Switch(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The paths that switch it. ``on`` has ``{seconds}``, after which the device goes off by itself: without that none is switched."""

    on: str
    off: str

    def __post_init__(self) -> None:
        if "{seconds}" not in self.on:
            raise ValueError("switch.on needs {seconds}: what nobody renews must go off by itself")

    def on_for(self, seconds: int) -> str:
        """The path that switches on for so long."""
        return self.on.replace("{seconds}", str(seconds))


class Source(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where facts are published."""

    who: str
    where: str = ""


class BridgeSheet(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One kind of device. ``ask``: the path that is fetched, or the topic. Without readings the owner names them (`values`)."""

    key: str
    title: str
    transport: Literal["http", "mqtt", "ocpp"]
    sources: list[Source]
    kind: Literal["meter", "inverter", "hybrid", "charger", "heater", "heat-pump"] | None = None
    about: str = ""
    port: int = 80
    ask: str = ""
    poll_s: float = 2.0
    max_age_s: float = 15.0
    token: bool = False
    readings: dict[str, Reading] = field(default_factory=dict)
    each: Reading | None = None
    switch: Switch | None = None
    contacts: tuple[Switch, Switch] | None = (
        None  # of SG Ready: the first blocks, the second encourages
    )

    @property
    def evidence(self) -> str:
        """On how many independent sources it rests."""
        return "two sources" if len({s.who for s in self.sources}) > 1 else "one source"
