"""The home as one: poll every device in its own loop, observe the whole, apply setpoints as leases."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace

from gateway.clock import Clock, every
from gateway.devices import Device, ReleaseReport
from gateway.domain.control import Control, Setpoints
from gateway.domain.readings import DeviceState, Poll, Quality, Reading, Snapshot
from gateway.domain.sentences import Sentence, joined, other, reason_of, sentence
from gateway.errors import DeviceError, StorageError
from gateway.site.isolated import IsolatedDevice
from gateway.site.night import Night
from gateway.site.roles import Roles, has, unclear
from gateway.site.snapshot import join
from gateway.supervise import Availability, Backoff, CalmAvailability

log = logging.getLogger(__name__)

RELEASE_LIMIT_S = 6.0  # real seconds; all of a stop must be done within 10
LONGEST_WAIT_S = 900.0  # a charger that would stay paused for longer without us is released
DARK_W = 50.0  # less from the panels is dusk: what lives on them may fall asleep
NIGHT_S = 60.0  # between the first tries to wake it
LONGEST_POLL_S = 15.0  # readings that were not renewed for so long (or three periods) are stale
_STANDING = frozenset({Control.EXPORT_LIMIT, Control.RESERVE})
MOST_POLLS = 1000  # that nobody asked for are counted no longer


class Site:
    """All devices of the home. `poll_loop` keeps their latest readings; nothing else reads them."""

    def __init__(
        self,
        devices: Sequence[Device],
        clock: Clock,
        period_s: float,
        night: Night | None = None,
        roles: Roles | None = None,
        *,
        remembers: bool = False,
    ) -> None:
        """``night`` tells whether the sun is below the horizon. ``roles``
        are those that the configuration gives to devices. ``remembers``: what we set is known for sure, so
        that a setpoint that is not ours is somebody else's, and is watched before it is released.
        """
        self.devices = tuple(IsolatedDevice(d) for d in devices)
        self._night = night
        self._polls: list[Poll] = []
        self._tried: set[str] = set()
        self._all_tried = asyncio.Event()
        self._chargers_a: dict[str, float] = {}
        self._roles = roles or {}
        self._unclear = ""
        self._clock, self._period_s = clock, period_s
        self._states = {d.name: DeviceState(d.name, online=False) for d in devices}
        self._neutral_once: set[str] = set()
        self._remembers = remembers
        self._others: dict[
            str, Sentence
        ] = {}  # devices that somebody else steers, and the words for it
        self._held: set[tuple[str, Control]] = set()
        self._polled: dict[str, float] = {}
        self._group: asyncio.TaskGroup | None = None
        self._running: dict[tuple[str, Control], asyncio.Task[None]] = {}
        self._steering: dict[tuple[str, Control], Availability] = {}

    def start(self, group: asyncio.TaskGroup) -> None:
        """One polling loop a device: a dead one never slows the others."""
        self._group = group
        for device in self.devices:
            self._clock.spawn(group, self._poll_loop(device), name=f"poll {device.name}")

    async def looked_at(self, limit_s: float) -> None:
        """Until each device has been tried once and, if it answers, is neutral; ``limit_s`` real seconds
        at most."""
        with suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                await self._all_tried.wait()

    def take_polls(self) -> tuple[Poll, ...]:
        """How the polls since the last call went."""
        polls, self._polls = tuple(self._polls), []
        return polls

    def observe(self) -> Snapshot:
        """The home now, from the latest readings; what was not renewed in time is stale."""
        oldest = self._clock.monotonic() - max(LONGEST_POLL_S, 3 * self._period_s)
        states = {
            name: state if self._polled.get(name, oldest) >= oldest else _all_stale(state)
            for name, state in self._states.items()
        }
        notes = {d.name: tuple(note.said for note in d.notes) for d in self.devices}
        states |= {n: replace(states[n], notes=told) for n, told in notes.items() if told}
        now = self._clock.now()
        nothing: frozenset[Control] = frozenset()
        controls = {d.name: nothing if d.name in self._others else d.controls for d in self.devices}
        dark = False
        if self._night is not None:
            self._night.see(now, states.values())
            dark = self._night.is_dark(now)
        snapshot = join(now, states, dark=dark, roles=self._roles, controls=controls)
        self._say_unclear(unclear(snapshot))
        return snapshot

    def _say_unclear(self, what: str) -> None:
        """Once; a meter that is silent for a while takes nothing back."""
        if what and what != self._unclear:
            self._unclear = what
            log.error("%s; until then the grid is not known and nothing is steered by it", what)

    @property
    def alarms(self) -> tuple[Sentence, ...]:
        """What of the devices a person should look at now: somebody else steers one, or its notes say so."""
        noted = (replace(n.said, who=d.name) for d in self.devices for n in d.notes if n.alarm)
        return (*self._others.values(), *noted)

    def keeps_export(self) -> bool:
        """Whether every inverter with panels holds the export limit itself now, as far as it says.

        One that does not would go on feeding in, however far the others throttle.
        """
        panels = [d for d in self.devices if has(self._states[d.name], "pv_power_w")]
        keys = [(d.name, Control.EXPORT_LIMIT) for d in panels]
        return bool(keys) and all(
            self._states[key[0]].online
            and key in self._held
            and (told := self._steering.get(key)) is not None  # else the first hold is on its way
            and told.present
            for key in keys
        )

    async def apply(self, wanted: Setpoints) -> None:
        """Hold what is wanted, release what is not (and was held).

        Returns when all is done or after one period: a slow device goes on by itself and holds up
        nobody. A lost device is left to its lease, and released as soon as it takes writes again.
        """
        self._chargers_a = dict(wanted.chargers_a)
        self._start_jobs(Control.BATTERY_POWER, wanted.batteries_w.get)
        self._start_jobs(Control.PV_LIMIT, wanted.pv_limits_w.get)
        self._start_jobs(Control.EXPORT_LIMIT, lambda _: wanted.export_limit_w)
        self._start_jobs(Control.RESERVE, lambda _: wanted.reserve_pct)
        self._start_jobs(Control.HEAT_POWER, wanted.heaters_w.get)
        self._start_jobs(Control.SG_READY, wanted.sg_ready.get)
        self._start_jobs(Control.CHARGE_PHASES, wanted.charger_phases.get)
        self._start_jobs(Control.CHARGE_CURRENT, wanted.chargers_a.get)
        if self._running:
            await asyncio.wait(self._running.values(), timeout=self._period_s)
        self._running = {k: t for k, t in self._running.items() if not t.done()}

    async def release_all(self) -> list[ReleaseReport]:
        """Every device neutral; bounded in real time, and one device never holds up another.

        A charger whose car waits for a cheaper hour goes on waiting as long as it keeps that by itself: a
        gateway that is started again soon has not let it charge meanwhile.
        """

        async def one(device: Device) -> ReleaseReport:
            after_s = self._waits_on(device)
            if after_s is not None:
                log.info(
                    "%s lets its car wait on; it lets go by itself in %.0f s", device.name, after_s
                )
                return ReleaseReport(device.name, neutral=True)
            try:
                async with asyncio.timeout(RELEASE_LIMIT_S):
                    return await device.release()
            except Exception as error:  # noqa: BLE001 - whatever it is, the others are released
                why = reason_of(error) if str(error) else other(type(error).__name__)
                return ReleaseReport(device.name, neutral=False, problems=(why,))

        steered = [d for d in self.devices if d.controls and d.name not in self._others]
        reports = list(await asyncio.gather(*(one(d) for d in steered)))
        for report in reports:
            if not report.neutral:
                log.error("%s may not be neutral: %s", report.device, joined(report.problems))
        self._held.clear()
        return reports

    def _waits_on(self, device: Device) -> float | None:
        """For how long a charger that is paused now stays so without us; None: it is released."""
        if device.controls - {Control.CHARGE_PHASES} != {Control.CHARGE_CURRENT}:
            return None
        switched = (device.name, Control.CHARGE_PHASES) in self._held
        if switched or self._chargers_a.get(device.name) != 0:
            return None
        if self._states[device.name].text("charger_state") != "plugged":
            return None
        after_s = device.lets_go_after_s(Control.CHARGE_CURRENT)
        return None if after_s is None or after_s > LONGEST_WAIT_S else after_s

    async def close(self) -> None:
        for device in self.devices:
            await device.close()

    # -- polling --

    async def _poll_loop(self, device: Device) -> None:
        availability = CalmAvailability(device.name, clock=self._clock)
        nightly = Backoff(first_s=NIGHT_S, longest_s=300.0)
        async for _ in every(self._clock, self._period_s):
            began = self._clock.monotonic()
            try:
                await self._poll(device)
                self._note_poll(device.name, began, answered=True)
            except DeviceError as error:
                self._note_poll(device.name, began, answered=False)
                state = self._states[device.name]
                asleep = state.asleep or (device.sleeps_at_night and _dark(state))
                availability.lost(error, expected=asleep)
                self._states[device.name] = replace(
                    _all_stale(state), asleep=asleep, fault=replace(reason_of(error), who="")
                )
                await self._let_go(device)
                if asleep:  # a device that is lost spaces its own tries
                    await self._clock.sleep(nightly.next())
            else:
                availability.back()
                nightly.reset()

    async def _poll(self, device: Device) -> None:
        if device.name not in self._neutral_once and not await self._is_anothers(device):
            report = await device.release() if device.controls else None
            if report is not None and not report.neutral:
                raise DeviceError(
                    sentence("lost.not_neutral", device.name, why=joined(report.problems))
                )
            self._neutral_once.add(device.name)
        readings = await device.poll()
        known = dict(self._states[device.name].readings)
        known.update((r.metric, r) for r in readings)
        self._states[device.name] = DeviceState(
            device.name,
            online=True,
            readings=known,
            made_by=device.made_by,
            versions=device.versions,
        )
        self._polled[device.name] = self._clock.monotonic()

    async def _is_anothers(self, device: Device) -> bool:
        """Whether it is read and no more for now: another controller may be at work there."""
        says = await device.steered_by_another() if self._remembers and device.controls else None
        if says is not None:
            self._others[device.name] = says
        else:
            self._others.pop(device.name, None)
        return says is not None

    async def _let_go(self, device: Device) -> None:
        """A device that cannot be read may still take writes: it must not stay held without a lease.

        An export limit and a reserve stay: they need no readings of ours, and off and on with every lost poll would
        break them each time and wear out the flash that they are kept in.
        """
        held = {c for n, c in self._held if n == device.name} - _STANDING
        if not held:
            return
        report = await device.release(held)
        if report.neutral:
            self._held -= {(device.name, control) for control in held}

    def _note_poll(self, device: str, began: float, *, answered: bool) -> None:
        self._tried.add(device)
        if len(self._tried) == len(self.devices):
            self._all_tried.set()
        if len(self._polls) < MOST_POLLS:
            self._polls.append(Poll(device, self._clock.monotonic() - began, answered))

    # -- applying --

    def _able(self, control: Control) -> list[Device]:
        """Those that can be asked for it now."""
        return [
            d
            for d in self.devices
            if control in d.controls
            and self._states[d.name].online
            and d.name in self._neutral_once
        ]

    def _start_jobs(self, control: Control, wanted: Callable[[str], float | None]) -> None:
        """Each able device gets what is wanted of it, by its name."""
        assert self._group is not None, "start() comes first"  # noqa: S101
        for device in self._able(control):
            key = (device.name, control)
            if key not in self._running:
                job, name = (
                    self._one(device, control, wanted(device.name)),
                    f"{device.name} {control.value}",
                )
                self._running[key] = self._clock.spawn(self._group, job, name)

    async def _one(self, device: Device, control: Control, value: float | None) -> None:
        key = (device.name, control)
        try:
            if value is not None:
                self._held.add(key)
                await device.hold(control, value)
            elif key in self._held:
                report = await device.release((control,))
                if not report.neutral:
                    raise DeviceError(f"not released: {joined(report.problems)}")
                self._held.discard(key)
            self._steered(key).back()
        except (DeviceError, StorageError) as error:
            # Refused or lost: whether its readings still hold, its own polls decide.
            self._steered(key).lost(error)

    def _steered(self, key: tuple[str, Control]) -> Availability:
        if key not in self._steering:
            name = f"{key[0]}: {key[1].value}"
            self._steering[key] = CalmAvailability(name, clock=self._clock)
        return self._steering[key]


def _dark(state: DeviceState) -> bool:
    """Whether a device's panels gave next to nothing when it was last heard."""
    panels = state.number("pv_power_w")
    known = state.readings.get("pv_power_w")
    asked = known is not None and known.quality is Quality.ABSENT  # said so itself, before it slept
    return asked or (panels is not None and panels < DARK_W)


def _all_stale(state: DeviceState) -> DeviceState:
    """The device as it was last seen, marked as lost."""
    stale = {metric: _stale(reading) for metric, reading in state.readings.items()}
    return replace(state, online=False, readings=stale)


def _stale(reading: Reading) -> Reading:
    if reading.quality is Quality.GOOD:
        return replace(reading, quality=Quality.STALE)
    return reading
