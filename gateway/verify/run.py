"""Walk a device through its modes, judged by what is measured, and leave it neutral whatever happens.

Every device of the home is read at each tick, since the grid meter is the second witness and the limits are kept by it. The
setpoints go the way that the guard's go: as leases, with what restores them stored before the first write, so that also
after kill -9 the device frees itself or the next start does it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from statistics import fmean
from typing import Any

from gateway.clock import Clock
from gateway.devices import ReleaseReport
from gateway.devices.device import ModbusDevice
from gateway.domain.control import ChargerAssumptions, Control
from gateway.domain.heat import Heaters
from gateway.domain.readings import DeviceState, Role, Snapshot
from gateway.domain.sentences import other
from gateway.errors import DeviceError, StorageError
from gateway.site.snapshot import join
from gateway.verify.dimmed import OperatorSigns
from gateway.verify.judge import (
    Seen,
    beyond,
    elsewhere_w,
    second_witness,
    seen_by_itself,
    surprise,
    without_effect,
)
from gateway.verify.sky import LIMITED, clouded, of_the_sun, sun_w, without_rise
from gateway.verify.walk import REST_W, Limits, NotNow, Step, measured_w, walk

ALONE = (
    "no grid meter sees it, so nothing but the device's own word would prove it; add a meter, or let its word be "
    "enough by --without-meter"
)
PUMP_ALONE = (
    "a heat pump starts when it likes: no meter shows in minutes whether it obeys, only what it says itself; look at "
    "its own page meanwhile, and let that be enough by --without-meter"
)
LOOKS = 3  # in a row that must agree with what was told
MOST_LOST, MOST_BEYOND = 2, 4  # polls without an answer; looks at which a limit is not kept
SETTLE_S = {Control.CHARGE_CURRENT: 90.0, Control.CHARGE_PHASES: 150.0}  # a car takes its time
USUAL_SETTLE_S = 60.0
CAR = (Control.CHARGE_CURRENT, Control.CHARGE_PHASES)
WITHOUT_SUN = "verify it in the evening, without sun"
UNDER_A_CLOUD = (
    "less is given than the limit lets through, also without it: a cloud has come, or more is drawn in the home; "
    "verify it in steady sun"
)
RELEASE_S = 10.0  # real seconds


class Surprise(Exception):
    """What must not be; the device is released."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How it went: ``problem`` empty = it obeys. ``steps`` are what was told and seen, for the log.

    ``own_word``: nothing but the device itself says so.
    """

    problem: str
    steps: tuple[dict[str, Any], ...]
    own_word: bool = False


@dataclass
class Bench:
    """The home while it is verified."""

    devices: Sequence[ModbusDevice]
    clock: Clock
    period_s: float
    limits: Limits
    charger: ChargerAssumptions
    roles: Mapping[str, Role] = field(default_factory=dict)
    operator: OperatorSigns = field(default_factory=OperatorSigns)
    own_word: bool = (
        False  # the owner lets what a device says of itself be enough, where no meter sees it
    )
    heaters: Heaters = field(default_factory=dict)

    async def look(self) -> Snapshot:
        """Read every device; one that does not answer is offline in it."""
        states = await asyncio.gather(*(self._state(d) for d in self.devices))
        return join(self.clock.now(), {s.name: s for s in states}, roles=dict(self.roles))

    async def _state(self, device: ModbusDevice) -> DeviceState:
        try:
            readings = await device.poll()
        except DeviceError:
            return DeviceState(device.name, online=False)
        return DeviceState(device.name, online=True, readings={r.metric: r for r in readings})


async def verify(
    bench: Bench, device: ModbusDevice, control: Control, told: Callable[[str], object]
) -> Outcome:
    """Walk ``control`` of ``device``; raises NotNow if nothing was tried. ``told`` hears how it goes on."""
    one = _Walk(bench, device, control, told)
    problem = ""
    try:
        await one.run()
    except Surprise as error:
        problem = str(error)
    except (DeviceError, StorageError) as error:  # refused, not read back, taken by another, lost
        problem = str(error)
    finally:
        problem = await one.let_go(problem)
    return Outcome(problem, tuple(one.steps), one.own_word)


async def released(device: ModbusDevice) -> ReleaseReport:
    """Let go of all that it holds, in a task of its own: one that was told to end asks no device any more."""
    try:
        async with asyncio.timeout(RELEASE_S):
            return (await asyncio.gather(device.release()))[0]
    except TimeoutError:
        return ReleaseReport(
            device.name, False, (other(f"it did not let go within {RELEASE_S:.0f} s"),)
        )


class _Walk:
    def __init__(
        self, bench: Bench, device: ModbusDevice, control: Control, told: Callable[[str], object]
    ) -> None:
        self._bench, self._device, self._control, self._told = bench, device, control, told
        self.steps: list[dict[str, Any]] = []
        self._seen: list[Seen] = []
        self._lost = self._beyond = 0
        self._before_w = 0.0  # of what is limited, before it was
        self.own_word = False

    async def run(self) -> None:
        bench = self._bench
        snapshot = await bench.look()
        state = snapshot.devices[self._device.name]
        if not state.online:
            raise NotNow("it does not answer")
        self._not_limited(snapshot)
        steps = walk(
            self._control,
            state,
            snapshot,
            bench.limits,
            bench.charger,
            bench.heaters.get(self._device.name),
        )
        self._before_w = measured_w(self._control, state, snapshot) or 0.0
        if why := surprise(self._control, state, snapshot, bench.limits):
            raise NotNow(why)
        if not bench.own_word and seen_by_itself(self._control, snapshot):
            raise NotNow(PUMP_ALONE if self._control is Control.SG_READY else ALONE)
        for step in steps:
            await self._follow(step)
        if why := without_effect(self._control, self._seen):
            raise Surprise(why)
        if without_rise(self._control, self._seen):
            raise NotNow(UNDER_A_CLOUD)
        ratio, problem = second_witness(self._seen)
        self.own_word = ratio is None and self._control is not Control.EXPORT_LIMIT
        if self.own_word and not bench.own_word:
            problem = "the grid meter was lost meanwhile: nothing but the device itself says that it obeyed"
        self.steps.append({"step": "grid meter", "ratio": ratio, "problem": problem})
        says = "it is what was judged" if ratio is None else f"{ratio:.2f} W for each W"
        if self.own_word:
            says = "none sees it; nothing but the device's own word says that it obeys"
        self._told(f"  second witness, the grid meter: {says}")
        if problem:
            raise Surprise(problem)

    async def let_go(self, problem: str) -> str:
        """Released and read back; the first problem stays the one that counts."""
        report = await released(self._device)
        self.steps.append({"step": "released", "problem": "; ".join(map(str, report.problems))})
        return problem or "; ".join(map(str, report.problems))

    async def _follow(self, step: Step) -> None:
        """Hold as the guard would until the measured power has followed for some looks."""
        clock, began = self._bench.clock, self._bench.clock.monotonic()
        looks: list[tuple[float, float | None]] = []
        power: float | None = None
        while len(looks) < LOOKS:
            await self._told_to(step)
            await clock.sleep(self._bench.period_s)
            snapshot = await self._bench.look()
            state = snapshot.devices[self._device.name]
            self._check(state, snapshot)
            power = measured_w(self._control, state, snapshot)
            if power is not None and step.low_w <= power <= step.high_w:
                looks.append((power, elsewhere_w(self._control, snapshot)))
            else:
                looks.clear()
            if len(looks) < LOOKS and clock.monotonic() - began > SETTLE_S.get(
                self._control, USUAL_SETTLE_S
            ):
                await self._failed(step, power, sun_w(state, snapshot))
        self._note(step, looks, clock.monotonic() - began)

    async def _told_to(self, step: Step) -> None:
        """Phases first, in the pause before: then the current."""
        if step.value is not None:
            await self._device.hold(self._control, step.value)
        elif step.current_a is not None:
            report = await self._device.release((self._control,))
            if not report.neutral:
                raise Surprise("; ".join(map(str, report.problems)))
        if step.current_a is not None:
            await self._device.hold(Control.CHARGE_CURRENT, step.current_a)

    def _not_limited(self, snapshot: Snapshot) -> None:
        if why := self._bench.operator.limited(snapshot, self._bench.clock.now()):
            raise NotNow(f"the home is limited by {why}")

    def _check(self, state: DeviceState, snapshot: Snapshot) -> None:
        self._not_limited(snapshot)
        self._lost = 0 if state.online else self._lost + 1
        if self._lost >= MOST_LOST:
            raise Surprise("it answers no more")
        if state.online and (why := surprise(self._control, state, snapshot, self._bench.limits)):
            raise Surprise(why)
        why = beyond(snapshot, self._bench.limits)
        self._beyond = self._beyond + 1 if why else 0
        if self._beyond >= MOST_BEYOND:
            raise Surprise(why)

    async def _failed(self, step: Step, power: float | None, sun: float) -> None:
        """Raises Surprise; NotNow where car or sky may be what does not follow."""
        first = not self._seen and step.value != 0
        if self._control in CAR and first and (power or 0.0) < REST_W:
            raise NotNow(
                f"the car takes nothing at {step.name}: is it full, or does it wait for its own timer?"
            )
        if self._control is Control.CHARGE_PHASES and first and (power or 0.0) < step.low_w:
            raise NotNow("the car draws from one phase: with it no switch could be seen")
        if why := of_the_sun(self._control, step, power, sun):
            raise NotNow(f"{why}: {WITHOUT_SUN}")
        if self._control in LIMITED and power is not None and power < step.low_w:
            await self._sunny_without_it()
        problem = f"told to {step.name}: {self._expected(step)}, measured {self._shown(power)}"
        self.steps.append({**asdict(step), "measured_w": power, "problem": problem})
        raise Surprise(problem)

    async def _sunny_without_it(self) -> None:
        """Let go, it must give again what it gave before; raises NotNow if it does not for as long as a step may take."""
        clock, began = self._bench.clock, self._bench.clock.monotonic()
        await released(self._device)
        while clock.monotonic() - began <= USUAL_SETTLE_S:
            await clock.sleep(self._bench.period_s)
            snapshot = await self._bench.look()
            power = measured_w(self._control, snapshot.devices[self._device.name], snapshot)
            if power is not None and not clouded(power, self._before_w):
                return
        raise NotNow(UNDER_A_CLOUD)

    def _note(
        self, step: Step, looks: Sequence[tuple[float, float | None]], seconds: float
    ) -> None:
        others = [other for _, other in looks if other is not None]
        elsewhere = fmean(others) if len(others) == len(looks) else None
        seen = Seen(step, fmean(power for power, _ in looks), elsewhere, seconds)
        self._seen.append(seen)
        self.steps.append(
            {
                "step": step.name,
                "told": step.value,
                "measured_w": round(seen.power_w, 1),
                "grid_meter_w": None if elsewhere is None else round(elsewhere, 1),
                "seconds": round(seconds, 1),
                "problem": "",
            }
        )
        self._told(f"  {step.name}: measured {self._shown(seen.power_w)} after {seconds:.0f} s")

    def _expected(self, step: Step) -> str:
        if self._control is Control.SG_READY:
            return self._shown(step.value) + " expected"
        return f"between {step.low_w:.0f} and {step.high_w:.0f} W expected"

    def _shown(self, power: float | None) -> str:
        if power is None:
            return "nothing"
        if self._control is Control.SG_READY:
            return f"state {power:.0f}"
        return f"{power:.0f} W"
