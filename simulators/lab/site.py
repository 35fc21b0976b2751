"""The simulated home behind the calls of a site: what the guard's loop sees and asks, without a wire."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from math import isnan, nan
from typing import TypeVar

from gateway.clock import Clock
from gateway.domain.control import Control, Setpoints
from gateway.domain.heat import SgReady
from gateway.domain.metrics import PHASES as PHASE_NAMES
from gateway.domain.readings import DeviceState, Poll, Quality, Reading, Snapshot
from gateway.domain.sentences import Sentence
from gateway.site.snapshot import join
from simulators.devices.view import View
from simulators.physics.home import Home
from simulators.physics.values import PHASES, BoxCommands

BOILER, HEAT_PUMP = "boiler", "heat-pump"
BOILER, HEAT_PUMP = "boiler", "heat-pump"
INVERTER, METER, ROOF, STORE = "inverter", "meter", "roof", "store"


def box_name(charger: int) -> str:
    """The chargers' names: box, box-2, box-3."""
    return "box" if charger == 0 else f"box-{charger + 1}"


def as_asked(setpoints: Setpoints) -> Setpoints:
    """A device that does what it is told."""
    return setpoints


@dataclass(frozen=True, slots=True)
class Silence:
    """From ``begin`` to ``end`` a device (``PHASE_2``: of the meter its second phase alone) does not answer; what it
    was told it lets go."""

    device: str
    begin: datetime
    end: datetime

    def at(self, time: datetime) -> bool:
        return self.begin <= time < self.end


PHASE_2 = "phase 2"
ANSWERS_S = 0.013_619  # until devices have taken what they are told
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Equipment:
    """What stands there, and what it makes of what it is told (``obeys``).

    ``keeps_export``: the inverter holds an export limit by itself. ``tells_phases``: the meter measures each. A second
    battery is `simulators.physics.values.House.storage`, a device of its own.
    """

    battery: bool = True
    roof: bool = False  # a second inverter with panels only, on the AC side
    keeps_export: bool = False
    switches_phases: bool = False  # the chargers can be told to use one phase
    thermometer: bool = True  # of a boiler; without one it stands behind a plug
    tells_phases: bool = False
    silent: tuple[Silence, ...] = ()
    obeys: Callable[[Setpoints], Setpoints] = as_asked


class LabSite:
    """What `gateway.guard.loop.GuardLoop` knows of a site."""

    def __init__(self, home: Home, equipment: Equipment, clock: Clock) -> None:
        self._home, self._equipment, self._view = home, equipment, View(home)
        self._clock = clock
        script = home.scenario.script
        self._chargers = script.chargers if script is not None else 1
        self._of_boxes = {Control.CHARGE_CURRENT}
        if equipment.switches_phases:
            self._of_boxes.add(Control.CHARGE_PHASES)
        self._heard: dict[str, DeviceState] = {}
        self.asked = Setpoints()
        self.alarms: tuple[Sentence, ...] = ()

    def observe(self) -> Snapshot:
        """The home now, joined from readings as those of devices are."""
        states = {name: self._device(name, values) for name, values in self._readings().items()}
        controls = {
            INVERTER: {Control.BATTERY_POWER, Control.PV_LIMIT, Control.EXPORT_LIMIT},
            ROOF: {Control.PV_LIMIT},
            STORE: {Control.BATTERY_POWER},
            **{box_name(i): self._of_boxes for i in range(self._chargers)},
            BOILER: {Control.HEAT_POWER},
            HEAT_PUMP: {Control.SG_READY},
        }
        return join(self._home.now, states, controls=controls)

    def keeps_export(self) -> bool:
        """As the guard's site has it: a second inverter, which does not, would go on feeding in."""
        keeps = self._equipment.keeps_export and not self._equipment.roof
        return keeps and not self._silent(INVERTER)

    def take_polls(self) -> tuple[Poll, ...]:
        return ()

    async def apply(self, setpoints: Setpoints) -> None:
        await self._clock.sleep(ANSWERS_S)
        self.asked = setpoints
        done = self._equipment.obeys(self._reaching(setpoints))
        battery_w, store_w = (done.batteries_w.get(name) for name in (INVERTER, STORE))
        first, *others = (self._box(done, i) for i in range(self._chargers))
        self._home.command(
            discharge_limit_w=battery_w,
            charge_limit_w=None if battery_w is None else -battery_w,
            grid_charge=battery_w is not None,
            pv_limit_w=done.pv_limits_w.get(INVERTER),
            ac_pv_limit_w=done.pv_limits_w.get(ROOF),
            export_limit_w=done.export_limit_w if self._equipment.keeps_export else None,
            charge_current_a=first.current_a,
            charge_phases=first.phases,
            boxes=tuple(others),
            storage_w=store_w,
            rod_w=done.heaters_w.get(BOILER, 0),
            sg_ready=done.sg_ready.get(HEAT_PUMP, SgReady.NORMAL),
        )

    def _silent(self, device: str) -> bool:
        return any(s.device == device and s.at(self._home.now) for s in self._equipment.silent)

    def _reaching(self, setpoints: Setpoints) -> Setpoints:
        """What devices hear of it; one that does not answer has let go what it was told before."""
        if not any(s.at(self._home.now) for s in self._equipment.silent):
            return setpoints
        return replace(
            setpoints,
            batteries_w=self._heard_of(setpoints.batteries_w),
            pv_limits_w=self._heard_of(setpoints.pv_limits_w),
            chargers_a=self._heard_of(setpoints.chargers_a),
            charger_phases=self._heard_of(setpoints.charger_phases),
            export_limit_w=None if self._silent(INVERTER) else setpoints.export_limit_w,
        )

    def _heard_of(self, told: Mapping[str, V]) -> dict[str, V]:
        return {name: value for name, value in told.items() if not self._silent(name)}

    async def release(self) -> None:
        """As devices are when nobody steers them."""
        await self.apply(Setpoints())

    @staticmethod
    def _box(setpoints: Setpoints, charger: int) -> BoxCommands:
        name = box_name(charger)
        current_a = setpoints.chargers_a.get(name)
        phases = setpoints.charger_phases.get(name, PHASES)
        return BoxCommands(phases=phases) if current_a is None else BoxCommands(current_a, phases)

    def _readings(self) -> Mapping[str, Mapping[str, float | str]]:
        view, state, powers = self._view, self._home.state(), self._view.powers()
        inverter: dict[str, float | str] = {
            "pv_power_w": powers.pv,
            "ac_power_w": powers.inverter_ac,
            "inverter_state": "off_grid" if self._home.alone else "running",
        }
        if self._equipment.battery:
            battery = self._home.house.battery
            inverter |= {
                "battery_power_w": powers.battery,
                "battery_soc_pct": view.soc_pct(),
                "battery_capacity_wh": battery.capacity_wh,
                "battery_max_charge_w": battery.max_charge_w,
                "battery_max_discharge_w": battery.max_discharge_w,
            }
        found: dict[str, Mapping[str, float | str]] = {
            INVERTER: inverter,
            METER: {
                "grid_power_w": powers.grid,
                "grid_import_wh": view.counter("grid_import"),
                "grid_export_wh": view.counter("grid_export"),
            },
            box_name(0): _charger(powers.ev, state.car_plugged, state.session_wh),
        }
        if self._equipment.tells_phases:
            told = zip(PHASE_NAMES, view.phases_w(), strict=True)
            found[METER] = {**found[METER], **{f"grid_power_{n}_w": w for n, w in told}}
            if self._silent(PHASE_2):
                found[METER] = {**found[METER], f"grid_power_{PHASE_NAMES[1]}_w": nan}
        if (other := self._home.house.storage) is not None:
            found[STORE] = {
                "ac_power_w": powers.storage,
                "battery_power_w": powers.storage,
                "battery_soc_pct": 100 * state.storage_wh / other.capacity_wh,
                "battery_capacity_wh": other.capacity_wh,
                "battery_max_charge_w": other.power_w,
                "battery_max_discharge_w": other.power_w,
            }
        if self._equipment.roof:
            found[ROOF] = {"pv_power_w": powers.ac_pv, "ac_power_w": powers.ac_pv}
        found |= self._heaters()
        for i, box in enumerate(state.boxes, start=1):
            found[box_name(i)] = _charger(box.power_w, box.plugged, box.session_wh)
        return found

    def _heaters(self) -> Mapping[str, Mapping[str, float | str]]:
        state, found = self._home.state(), dict[str, Mapping[str, float | str]]()
        if (boiler := state.boiler) is not None:
            warm = (
                {"heat_temperature_c": boiler.temperature_c} if self._equipment.thermometer else {}
            )
            found[BOILER] = {"heat_power_w": boiler.power_w, **warm}
        if (pump := state.pump) is not None:
            told = SgReady(self._home.commands.sg_ready).name.lower()
            found[HEAT_PUMP] = {"heat_temperature_c": pump.temperature_c, "heat_pump_state": told}
        return found

    def _device(self, name: str, values: Mapping[str, float | str]) -> DeviceState:
        now = self._home.now
        if self._silent(name) and name in self._heard:
            heard = self._heard[name]
            stale = {m: replace(r, quality=Quality.STALE) for m, r in heard.readings.items()}
            return replace(heard, online=False, readings=stale)
        readings = {
            metric: Reading(metric, None, Quality.BAD, now)
            if isinstance(value, float) and isnan(value)
            else Reading(metric, value, Quality.GOOD, now)
            for metric, value in values.items()
        }
        self._heard[name] = DeviceState(name, online=True, readings=readings)
        return self._heard[name]


def _charger(power_w: float, plugged: bool, session_wh: float) -> Mapping[str, float | str]:
    state = "unplugged" if not plugged else "charging" if power_w > 0 else "plugged"
    return {
        "charger_state": state,
        "charger_power_w": power_w,
        "charger_session_wh": session_wh,
    }
