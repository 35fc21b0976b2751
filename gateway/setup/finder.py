"""The devices of the home as a set-up sees them: found in the network, or named by a person, and read while it lasts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from gateway.clock import Clock
from gateway.config.bridged import guard_profile, is_bridged, names_values, usual_port
from gateway.config.guard import DeviceConfig
from gateway.dashboard.spoken import spoken
from gateway.devices.build import build_devices
from gateway.devices.catalogue import profile
from gateway.devices.datasheet import Identity
from gateway.devices.device import ModbusDevice
from gateway.devices.network import Place, listening, places
from gateway.devices.scan import USUAL_UNITS, Finding, scan
from gateway.domain.readings import Quality, Reading
from gateway.domain.sentences import Sentence, reason_of, sentence
from gateway.errors import ConfigError, DeviceError
from gateway.setup.document import ChosenDevice
from gateway.setup.mdns import named
from gateway.setup.named import Named
from gateway.setup.shelly import shellies

READ_S = 2.0
_SCANS_AT_ONCE = 8
WEB_PORT = 80
SHOWN = (
    "pv_power_w", "battery_power_w", "battery_soc_pct", "battery_capacity_wh", "grid_power_w", "charger_power_w", "charger_state",
)  # fmt: skip


@dataclass
class Found:
    """One device: what is to be written of it, its kind, what it says now, and why it does not."""

    chosen: ChosenDevice
    kind: str
    wanted: bool = True
    readings: tuple[Reading, ...] = ()
    fault: Sentence | None = None
    device: ModbusDevice | None = field(default=None, repr=False)
    identity: Identity | None = None  # of what was asked over Modbus

    @property
    def key(self) -> str:
        """By which a page names it."""
        host, port, unit = self.chosen.address
        return f"{host}:{port}/{'' if unit is None else unit}"

    def number(self, metric: str) -> float | None:
        """A reading that is good, else None."""
        found = (r for r in self.readings if r.metric == metric and r.quality is Quality.GOOD)
        value = next(found, None)
        return value.value if value and isinstance(value.value, float | int) else None

    @property
    def has(self) -> set[str]:
        """Which parts of the home it is."""
        told = {r.metric for r in self.readings if r.quality is not Quality.ABSENT}
        parts = {self.kind} & {"charger", "heater"}
        if parts == {"heater"} and is_bridged(self.chosen.profile):
            parts = {"plug"}  # nobody measures the water behind it
        battery = any(metric.startswith("battery_") for metric in told)
        panels = any(metric.startswith("pv_") for metric in told)
        unknown = self.kind in ("hybrid", "any") and not told
        return (
            parts
            | ({"battery"} if battery or unknown else set())
            | ({"panels"} if panels or unknown else set())
        )


class Finder:
    """Searches when asked, and reads what it found every two seconds. Web pages are at ``web_port``.

    ``units`` are asked at each address; ``told`` hears of each device once.
    """

    def __init__(
        self, clock: Clock, interfaces: Sequence[str] | None = None, web_port: int = WEB_PORT,
        units: Sequence[int] = USUAL_UNITS, told: Callable[[Found], object] = lambda _found: None,
    ) -> None:  # fmt: skip
        self._clock, self._interfaces, self._web_port = clock, interfaces, web_port
        self._units, self._told = units, told
        self.found: dict[str, Found] = {}
        self.problems: list[Sentence] = []
        self.busy = False
        self.progress = (0, 0)
        self._reading = asyncio.Lock()

    @property
    def wanted(self) -> list[Found]:
        return [one for one in self.found.values() if one.wanted]

    @property
    def has(self) -> frozenset[str]:
        """Parts of the home that the wanted devices are."""
        return frozenset(part for one in self.wanted for part in one.has)

    @property
    def capacity_wh(self) -> float | None:
        """What the devices say of the battery, together; None where none does."""
        told = [c for one in self.wanted if (c := one.number("battery_capacity_wh"))]
        return sum(told) if told else None

    async def search(self, targets: Sequence[str], multicast: bool = True) -> None:
        """Look for devices; `problems` tells what went wrong. Raises ConfigError for what is no address."""
        asked = places(targets)
        if self.busy:
            return
        self.busy, self.problems, self.progress = True, [], (0, len(asked) or 1)
        try:
            if multicast:
                asked += await self._multicast()
            opened = await listening(list(dict.fromkeys(asked)), self._knocked)
            await self._scan(opened)
            one_host = [p for p in asked if p not in opened] if len(asked) == len(targets) else []
            await self._ask_the_web(asked, {p.host for p in one_host})
            there = {one.chosen.host for one in self.found.values()}
            self.problems += [
                sentence("setup.nobody", where=f"{p.host}:{p.port}")
                for p in one_host
                if p.host not in there
            ]
        finally:
            self.busy = False

    def add(self, chosen: ChosenDevice) -> Found:
        """A device that a person named. Raises ConfigError for an unknown profile."""
        return self._take(chosen, _kind(chosen.profile))

    async def read(self) -> None:
        """Ask each device once."""
        async with self._reading, asyncio.TaskGroup() as group:
            for one in self.wanted:
                group.create_task(self._read(one), name=f"read {one.key}")

    async def close(self) -> None:
        """Let go of all devices: the guard wants them for itself."""
        async with self._reading:
            for one in self.found.values():
                if one.device is not None:
                    await one.device.close()
                    one.device = None

    async def _multicast(self) -> list[Place]:
        asked = []
        for one in await named(self._clock, self._interfaces):
            if one.profile:
                self._take_named(one, usual_port(one.profile), wanted=False)
            else:
                asked += places([one.host])
        return asked

    async def _ask_the_web(self, asked: Sequence[Place], named_hosts: Collection[str]) -> None:
        """What has no Modbus, of hosts that are nothing yet; a plug is taken where its owner named its address."""
        known = {one.chosen.host for one in self.found.values()}
        hosts = [host for host in dict.fromkeys(p.host for p in asked) if host not in known]
        for one in await shellies(await listening([Place(h, self._web_port) for h in hosts])):
            self._take_named(one, self._web_port, wanted=one.host in named_hosts)

    def _take_named(self, one: Named, port: int, *, wanted: bool) -> None:
        """A plug may stand before anything, so it is one of the home where a person says so only."""
        kind = _kind(one.profile)
        chosen = ChosenDevice(kind, one.profile, one.host, port, says=one.name)
        found = self._take(chosen, kind, wanted=wanted or kind != "heater")
        if kind == "heater" and wanted:
            found.wanted = True

    def _knocked(self, done: int, of: int) -> None:
        self.progress = (done, 2 * of)  # the other half: asking who opens

    async def _scan(self, opened: Sequence[Place]) -> None:
        gate, hosts = asyncio.Semaphore(_SCANS_AT_ONCE), len(opened) or 1
        done = dict.fromkeys(opened, 0.0)

        async def one(place: Place) -> None:
            def asked(count: int, of: int) -> None:
                done[place] = max(done[place], count / max(of, 1))
                self.progress = (round(1000 * (1 + sum(done.values()) / hosts)), 2000)

            async with gate:
                try:
                    async for finding in scan(place.host, place.port, self._units, asked):
                        self._take(*_chosen(finding), finding.identity)
                except DeviceError as error:
                    self.problems.append(reason_of(error))

        async with asyncio.TaskGroup() as group:
            for place in opened:
                group.create_task(one(place), name=f"scan {place}")

    def _take(
        self,
        chosen: ChosenDevice,
        kind: str,
        identity: Identity | None = None,
        *,
        wanted: bool = True,
    ) -> Found:
        new = Found(chosen, kind, wanted, identity=identity)
        kept = self.found.setdefault(new.key, new)
        if kept is new:
            names = {one.chosen.name for one in self.found.values() if one is not new}
            new.chosen = _renamed(chosen, names)
            self._told(new)
        return kept

    async def _read(self, one: Found) -> None:
        if is_bridged(one.chosen.profile):
            one.fault = sentence("setup.over_http")
            return
        try:
            if one.device is None:
                c = one.chosen
                stated = DeviceConfig(c.name, c.profile, c.host, c.port, c.unit, steer="never")
                one.device = build_devices([stated], None, self._clock)[0]
            one.readings, one.fault = await one.device.poll(), None
        except (DeviceError, ConfigError) as error:
            one.fault = replace(reason_of(error), who="")


def _chosen(finding: Finding) -> tuple[ChosenDevice, str]:
    says = " ".join(t for t in (finding.identity.manufacturer, finding.identity.model) if t)
    kind = finding.profile.kind
    name = "inverter" if kind in ("hybrid", "any") else kind
    return ChosenDevice(
        name, finding.profile.key, finding.host, finding.port, finding.unit, says
    ), kind


def _kind(key: str) -> str:
    """Of a profile; what its owner's `values` would say is taken for a meter."""
    if not is_bridged(key):
        return profile(key).kind
    return "meter" if names_values(key) else profile(guard_profile(key, ())).kind


def _renamed(chosen: ChosenDevice, names: set[str]) -> ChosenDevice:
    others = (f"{chosen.name}-{n}" for n in range(2, 1000))
    return (
        chosen
        if chosen.name not in names
        else replace(chosen, name=next(o for o in others if o not in names))
    )


def row(one: Found) -> dict[str, Any]:
    """As a page shows it."""
    shown = [r for r in one.readings if r.metric in SHOWN and r.quality is not Quality.ABSENT]
    return {
        "key": one.key,
        "name": one.chosen.name,
        "says": one.chosen.says,
        "profile": one.chosen.profile,
        "kind": one.kind,
        "role": one.chosen.role or "",
        "wanted": one.wanted,
        "fault": spoken(one.fault) if one.fault else None,
        "readings": [
            {
                "metric": r.metric,
                "value": r.value if r.quality is Quality.GOOD else None,
                "unit": r.unit,
            }
            for r in shown
        ],
    }
