"""Capture a device: everything that its profile asks for, once, and what it says of it; masked, fit to be sent to others.

The form is that of `gateway.devices.dump`; beside it stands what the device is (``about``).
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from gateway import __version__
from gateway.clock import Clock
from gateway.devices.catalogue import all_profiles
from gateway.devices.datasheet import Profile, Source
from gateway.devices.device import ModbusDevice
from gateway.devices.dump import Dump, DumpBus
from gateway.devices.identify import bind_profile, identify
from gateway.devices.masking import Masker, Words, mask_runs, mask_serial
from gateway.domain.readings import Reading
from gateway.errors import DeviceError
from gateway.modbus import sunspec
from gateway.modbus.address import BusAddress, Table
from gateway.modbus.exceptions import STRANGE
from gateway.modbus.registers import Block, Field, Missing, words_of
from gateway.modbus.unit import Bus, Unit

Span = tuple[Table, int, int]
_CHUNK = 60  # registers asked for at once where nothing is known of them
_COMMON = 1  # SunSpec's model of what the device is
_TOLD = ("Mn", "Md", "Vr")  # what it may go on saying
_LETTERS = {"holding": "h", "input": "i"}


@dataclass
class Captured:
    """What was read of one unit; ``about`` says what it is."""

    unit: int
    tables: dict[Table, dict[int, int]] = field(default_factory=dict)
    about: dict[str, str] = field(default_factory=dict)
    readings: dict[str, float | str | None] = field(default_factory=dict)

    @property
    def dump(self) -> Dump:
        """The registers as a bus can give them."""
        both: dict[Table, dict[int, int]] = {"holding": {}, "input": {}}
        return Dump({self.unit: both | self.tables})

    def as_json(self) -> str:
        """The file's text, sorted, so that two of them can be compared line by line."""
        tables: dict[str, Any] = {
            _LETTERS[table]: {str(a): w for a, w in sorted(words.items())}
            for table, words in sorted(self.tables.items())
            if table in _LETTERS
        }
        number = str(self.unit)
        whole = {
            "about": self.about,
            "readings": {number: self.readings},
            "unknown": "exc0b",
            "units": {number: tables},
        }
        return json.dumps(whole, indent=1) + "\n"


@dataclass
class Recording:
    """A `Bus` that keeps what is read through it, and takes no writes."""

    bus: Bus
    kept: Captured

    @property
    def address(self) -> BusAddress:
        """See `Bus`."""
        return self.bus.address

    async def read(self, unit: int, table: Table, address: int, count: int) -> bytes:
        """See `Bus`."""
        data = await self.bus.read(unit, table, address, count)
        if unit == self.kept.unit:
            self.kept.tables.setdefault(table, {}).update(enumerate(words_of(data), address))
        return data

    async def write(self, unit: int, address: int, words: Sequence[int], fc: int = 16) -> None:
        """See `Bus`."""
        raise DeviceError("what is captured is not written to")

    async def close(self) -> None:
        """See `Bus`."""
        await self.bus.close()


async def capture(
    bus: Bus,
    number: int,
    clock: Clock,
    profile: Profile | None = None,
    blocks: Sequence[Block] = (),
) -> Captured:
    """Read unit ``number`` by its profile (None: as it identifies itself) and the ``blocks`` besides.

    Only reads. What the profile steers by is read too. Raises DeviceError where the device does not answer, or is none that
    we know and no ``blocks`` are given.
    """
    kept = Captured(number)
    unit = Unit(Recording(bus, kept), number)
    for block in blocks:
        await _read_parts(unit, block)
    if profile is None:
        found = await identify(unit, all_profiles().values(), patient=True)
        if found is None and not blocks:
            raise DeviceError(
                f"{bus.address} unit {number}: no device that we know; name its profile, or registers to read"
            )
        profile = found[0] if found else None
    if profile is None:
        _mask(kept, (), (), secrets.token_bytes(32))
    else:
        await _by_profile(kept, unit, profile, clock)
    kept.about |= {"program": __version__, "day": f"{clock.now():%Y-%m-%d}"}
    return kept


async def _by_profile(kept: Captured, unit: Unit, profile: Profile, clock: Clock) -> None:
    """Read the device, mask what was read, and read that again: it must say the same of all that is measured."""
    live = ModbusDevice("device", profile, unit, None, clock)
    readings = await live.poll()
    source = await bind_profile(unit, live.profile)
    for sheet in source.controls:
        for block in (*sheet.read_back, *sheet.required):
            with suppress(DeviceError):  # a model may not have it
                await unit.read_if_there(block.table, block.address, block.count)
    for where, _ in profile.identify:
        first, end = where.span
        with suppress(DeviceError):
            await unit.read_if_there(where.table, first, end - first, STRANGE)
    serials, spared = await _places(unit, profile, source)
    before = {table: dict(words) for table, words in kept.tables.items()}
    _mask(kept, serials, spared, secrets.token_bytes(32))
    for where, pattern in live.profile.identify:
        _keep_family(kept, before, where, pattern)
    masked = ModbusDevice("device", profile, Unit(DumpBus(kept.dump), unit.number), None, clock)
    again = await masked.poll()
    if changed := differs(readings, again):
        raise DeviceError(f"masked, {', '.join(changed)} would read otherwise; please report it")
    who = masked.identity
    kept.about = {
        "profile": masked.profile.key,
        "manufacturer": who.manufacturer,
        "model": who.model,
        "firmware": who.version,
        "serial": who.serial,
    }
    kept.readings = {reading.metric: reading.value for reading in again}


async def _places(unit: Unit, profile: Profile, source: Source) -> tuple[list[Field], list[Span]]:
    """Where serial numbers stand, and what must stay as it is: what is measured, and what the device is."""
    serials = [where for what, where in profile.says if what == "serial"]
    told = [where for what, where in profile.says if what != "serial"]
    told += [where for where, _ in (*profile.identify, *source.anchors)]
    told += [where for output in source.outputs for where in output.fields]
    spared: list[Span] = [(where.table, *where.span) for where in told]
    blocks = (b for sheet in source.controls for b in (*sheet.read_back, *sheet.required))
    spared += [(block.table, block.address, block.end) for block in blocks]
    chain = None
    with suppress(DeviceError):
        chain = await sunspec.discover(unit)
    for model in chain.models if chain else ():
        if model.model == _COMMON:
            serials.append(sunspec.field(model, "SN"))
            spared += [("holding", *sunspec.field(model, point).span) for point in _TOLD]
        else:
            spared.append(("holding", model.address, model.end))
    return serials, spared


async def _read_parts(unit: Unit, block: Block) -> None:
    """A range of which nothing is known: in chunks, then one by one where a chunk is refused."""
    for first in range(block.address, block.end, _CHUNK):
        count = min(_CHUNK, block.end - first)
        with suppress(DeviceError):
            if await unit.read_if_there(block.table, first, count, STRANGE) is None:
                for address in range(first, first + count):
                    with suppress(DeviceError):
                        await unit.bus.read(unit.number, block.table, address, 1)


def _mask(kept: Captured, serials: Sequence[Field], spared: Sequence[Span], secret: bytes) -> None:
    """Serial numbers by where they stand; then whatever text is left that nobody vouches for."""
    masker = Masker(secret)
    for where in serials:
        if where.table in kept.tables:
            mask_serial(kept.tables[where.table], where, masker)
    known = [*spared, *((where.table, *where.span) for where in serials)]
    for table, words in kept.tables.items():
        mask_runs(words, masker, [(first, end) for t, first, end in known if t == table])


def _keep_family(kept: Captured, before: Mapping[Table, Words], where: Field, pattern: str) -> None:
    """Where the beginning of a serial number names the family, as much of it stays as it takes to be recognised."""
    first, end = where.span
    words, real = kept.tables.get(where.table, {}), before.get(where.table, {})
    if any(a not in words for a in range(first, end)):
        return
    for address in range(first, end):
        data = b"".join(words[a].to_bytes(2, "big") for a in range(first, end))
        value = where.decode(data, first)
        if not isinstance(value, Missing) and re.search(pattern, str(value)):
            return
        words[address] = real[address]


def differs(before: Sequence[Reading], after: Sequence[Reading]) -> list[str]:
    """Metrics that read otherwise from the dump than from the device."""
    was = {r.metric: (r.value, r.quality) for r in before}
    return [r.metric for r in after if was.get(r.metric) != (r.value, r.quality)]
