"""The datasheet of a device as frozen data: how to ask it, what it measures, how it is steered."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from gateway.devices.control_sheet import ControlSheet, voices
from gateway.devices.readout import Output
from gateway.domain.control import Control
from gateway.modbus.address import BusTiming
from gateway.modbus.frames import TidMode
from gateway.modbus.registers import Field


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
    kind: Literal["inverter", "hybrid", "meter", "charger", "heater", "relay", "any"]
    verified: Literal["capture", "data sheet"]
    communication: Communication = Communication()
    sunspec: SunSpecSheet | None = None
    source: Source | None = None
    controls: frozenset[Control] = frozenset()  # what the model can do at best
    identify: tuple[tuple[Field, str], ...] = ()
    says: tuple[tuple[Literal["model", "version", "serial"], Field], ...] = ()
    maker: str = ""
    published_by: frozenset[str] = frozenset()  # who publishes what is read, one voice a name
    about: str = ""  # what a person must know of it
    refused: str = ""  # why it cannot be used
    choices: Iterable[Profile] = ()  # profiles among which the device itself decides: 'auto'
    revision: str = ""  # of a sheet that is not ours: what it was when something was proved by it

    @property
    def named_revision(self) -> str:
        """Its key, and of a sheet that is not ours which text of it: an edited one may write elsewhere."""
        return f"{self.key}@{self.revision}" if self.revision else self.key

    @property
    def evidence(self) -> str:
        """What it rests on: captured registers, or how many independent sources (of its steering)."""
        if self.verified == "capture":
            return "capture"
        own = self.source.controls if self.source else ()
        if own and self.controls:
            return "two sources" if all(sheet.is_proved for sheet in own) else "one source"
        if self.sunspec:
            return "standard"
        return "two sources" if voices(self.published_by) > 1 else "one source"
