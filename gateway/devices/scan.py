"""Find the devices behind an address: try the unit numbers that makers use, name what answers."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from gateway.devices.catalogue import all_profiles
from gateway.devices.counters import LIFETIME
from gateway.devices.datasheet import Communication, Identity, Profile
from gateway.devices.identify import bind_profile, identify
from gateway.devices.proof import tells_apart
from gateway.errors import DeviceError
from gateway.modbus.address import BusAddress, BusTiming
from gateway.modbus.connection import Connection
from gateway.modbus.exceptions import HungUp, Unreachable
from gateway.modbus.unit import Unit

# 1 most; 2, 3, 4 further inverters of one maker, SMA's own map; 126, 127 SMA SunSpec; 200, 201, 240,
# 241 Fronius meters; 71 Kostal; 247 GoodWe, FoxESS; 255 KEBA, Webasto; 100 Victron; 50 Mennekes;
# 0 Huawei behind a dongle; 85 Alpha ESS; 248 Sungrow's chargers; 30, 40 Victron meters and chargers
USUAL_UNITS = (1, 2, 3, 4, 126, 127, 200, 201, 240, 241, 71, 247, 255, 100, 50, 85, 248, 30, 40, 0)
_SLOW_UNITS = (1, 0)
_HANGS = 3  # unit numbers after which a device that hangs up does so for all
_HASTY = BusTiming(timeout_s=1.0)
_PATIENT = BusTiming(
    timeout_s=5.0, connect_delay_s=1.5, min_gap_s=0.1
)  # as Huawei's dongle wants it
_SLOW_S = 5.0  # profiles that want this much may need it to be found
_GUESSING_S = 14.0  # so long silent units are asked for what usually stands there


@dataclass(frozen=True, slots=True)
class Finding:
    """A device that answered: where, and which profile fits."""

    host: str
    port: int
    unit: int
    profile: Profile
    identity: Identity


Progress = Callable[[int, int], None]


async def scan(
    host: str,
    port: int,
    units: Sequence[int] = USUAL_UNITS,
    progress: Progress = lambda _done, _all: None,
) -> AsyncGenerator[Finding, None]:
    """Every known device behind ``host``:``port``, as soon as it is known; reads only.

    One connection and three rounds, each only where the ones before found nothing: a question to each
    unit; to the silent ones what usually stands at their number, for some seconds; and all of it
    again as slow devices want it. A second of silence a unit: some 20 s for the first round. Raises
    DeviceError when nothing listens there or it hangs up. A device that answers to every unit
    number, or under two maps, is reported once: close the iterator to let go of the connection.
    ``progress`` is told of each unit that was asked: how many of how many.
    """
    address = BusAddress(host=host, port=port)
    slow = [unit for unit in _SLOW_UNITS if unit in units]
    hung_up: HungUp | None = None
    for look in (
        _Look(Connection(address, _HASTY), units, progress),
        _Look(Connection(address, _HASTY), units, progress, guess=True, for_s=_GUESSING_S),
        _Look(Connection(address, _PATIENT), slow, progress, guess=True, least_s=_SLOW_S),
    ):
        try:
            async with aclosing(look.findings()) as looking:
                found = False
                async for finding in looking:
                    found = True
                    yield finding
            if found:
                return
        except HungUp as error:
            hung_up = error
            if look.connection.timing is _HASTY and not look.guess:
                continue
    if hung_up:
        raise hung_up


@dataclass
class _Look:
    """One round: ``guess`` asks silent units for the profiles of their number that want ``least_s``."""

    connection: Connection
    units: Sequence[int]
    progress: Progress
    guess: bool = False
    for_s: float = float("inf")
    least_s: float = 0.0

    async def findings(self) -> AsyncGenerator[Finding, None]:
        """What is there, each device once."""
        known: list[tuple[Finding, bytes]] = []
        hung_up: HungUp | None = None
        hangs = 0
        loop = asyncio.get_running_loop()
        end = loop.time() + self.for_s
        try:
            for done, number in enumerate(self._in_order()):
                self.progress(done, len(self.units))
                if loop.time() > end:
                    break
                try:
                    one = await self._at(number)
                except Unreachable:
                    if not known:
                        raise
                    continue
                except HungUp as error:  # or only for this unit number
                    hung_up, hangs = error, hangs + 1
                    if not known and (hangs == _HANGS or self.connection.timing is _PATIENT):
                        raise
                    continue
                except DeviceError:
                    continue
                if one and not any(_same(*one, *other) for other in known):
                    known.append(one)
                    yield one[0]
            if hung_up and not known:
                raise hung_up
        finally:
            self.progress(len(self.units), len(self.units))
            await self.connection.close()

    def _in_order(self) -> list[int]:
        """As given; guesses first where there is little to guess."""
        if not self.guess:
            return list(self.units)
        usual = Counter(p.communication.unit for p in all_profiles().values())
        return sorted(self.units, key=lambda unit: usual[unit])

    async def _at(self, number: int) -> tuple[Finding, bytes] | None:
        """The device at a unit number, with its counters; None for one that we do not know."""
        unit = self.connection.unit(number)
        profiles = [
            p for p in all_profiles().values() if p.sunspec or self._wanted(p.communication)
        ]
        found = await identify(unit, profiles, patient=self.guess)
        if found is None:
            return None
        address = self.connection.address
        finding = Finding(address.host, address.port, number, *found)
        return finding, await _counted(unit, *found)

    def _wanted(self, how: Communication) -> bool:
        return how.timeout_s >= self.least_s


async def _counted(unit: Unit, profile: Profile, identity: Identity) -> bytes:
    """The lifetime counters of a device without a serial number: two of a kind differ in them."""
    if tells_apart(identity.serial):
        return b""
    source = await bind_profile(unit, profile)
    fields = {f for o in source.outputs if o.metric in LIFETIME for f in o.fields}
    read = [
        await unit.read_if_there(f.table, f.address, f.size)
        for f in sorted(fields, key=lambda f: (f.table, f.address))
    ]
    return b"".join(data or b"" for data in read)


def _same(a: Finding, counted: bytes, b: Finding, counted_b: bytes) -> bool:
    """Whether two findings are one device: by serial number under whatever map, else in all."""
    maker = a.identity.manufacturer.lower() == b.identity.manufacturer.lower()
    if tells_apart(a.identity.serial) and a.identity.serial == b.identity.serial and maker:
        return _kind(a) == _kind(b)
    return (a.profile.key, a.identity, counted) == (b.profile.key, b.identity, counted_b)


def _kind(finding: Finding) -> str:
    kind = finding.profile.kind
    return kind if kind in ("meter", "charger", "heater") else "inverter"
