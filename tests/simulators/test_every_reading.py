"""Every reading of every simulated family against what is true in the simulated home, under load.

Two readings of the makers' papers meet here: the profile's and the simulator's. Each metric that a
profile names is compared, in states of either sign; none may be missing without a reason.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from gateway.devices.catalogue import profile
from gateway.devices.device import ModbusDevice
from gateway.domain.metrics import METRICS, PHASES
from gateway.domain.readings import Quality, Reading
from gateway.modbus.address import BusAddress, BusTiming
from gateway.modbus.connection import Connection
from simulators.devices.family_file import family_files
from simulators.devices.serve import CHARGERS, INVERTERS, METERS, Choice, serve_home
from simulators.devices.view import View
from simulators.physics.home import Home
from simulators.physics.values import VOLTAGE_V
from simulators.scenario import Scenario
from tests.devices.conftest import HandClock, Intents

NOON = datetime(2026, 6, 1, 18, tzinfo=UTC)
PROFILES = {  # simulated family -> profile
    "fronius": "fronius-gen24",
    "fronius-float": "fronius-gen24",
    "sunspec-der": "sunspec-hybrid",
    "solaredge": "solaredge-storedge",
    "sungrow": "sungrow-sh",
    "huawei": "huawei-sun2000",
    "goodwe": "goodwe-et",
    "solax": "solax-x",
    "sma": "sma-hybrid",
    "keba": "keba-p30",
    "go-e": "go-e",
    "sunspec": "sunspec-meter",
    "sunspec-float": "sunspec-meter",
    **{name: f.profile for name, f in family_files().items() if f.kind != "heater"},
}
# name -> hour of the day, state of charge at its start, battery forced to W, seconds that pass
STATES: dict[str, tuple[float, float, float | None, float]] = {
    "noon, the battery charges": (18, 30, None, 600),
    "night, the battery gives": (30, 80, 2500, 600),
    "night, it charges from the grid": (30, 20, -2500, 600),
    "evening, the car charges": (25, 15, None, 600),
}
RUNNING = {"running", "mppt", "throttled"}


@pytest.mark.parametrize("family", [*INVERTERS, *CHARGERS, *METERS])
def test_a_family_that_is_simulated_is_compared(family: str) -> None:
    assert family in PROFILES


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("family", PROFILES)
async def test_every_reading_is_true(family: str, state: str) -> None:
    hour, soc_pct, forced_w, seconds = STATES[state]
    clock = HandClock((hour - 12) * 3600)
    home = Home(clock, Scenario(clock.now() - timedelta(seconds=1), seed=3, soc_pct=soc_pct))
    home.command(charge_current_a=16.0, charger_enabled=True, grid_charge=True)
    if forced_w is not None:
        home.command(charge_limit_w=-forced_w, discharge_limit_w=forced_w, charger_enabled=False)
    which, choice = chosen(family)
    servers = await serve_home(home, choice=choice)
    sheet = profile(PROFILES[family])
    address = BusAddress(host="127.0.0.1", port=getattr(servers.ports, which))
    unit = Connection(address, BusTiming(10.0)).unit(sheet.communication.unit)
    one = ModbusDevice("device", sheet, unit, Intents(), clock)
    try:
        clock.seconds += seconds
        if (
            forced_w is not None
        ):  # the device's own settings replaced what was asked when it came up
            home.command(charge_limit_w=-forced_w, discharge_limit_w=forced_w, grid_charge=True)
            clock.seconds += 60
        readings = await one.poll()
        true = truth(home, View(home))
        coarse = family_files()[family].coarse if family in family_files() else {}
        true |= {m: (true[m][0], float(step)) for m, step in coarse.items()}
        wrong = {r.metric: why for r in readings if (why := not_true(r, true, home))}
        assert not wrong
    finally:
        await one.close()
        await servers.close()


def chosen(family: str) -> tuple[str, Choice]:
    """Which of the home's servers the family is, and the choice that makes it."""
    if family in CHARGERS:
        return "charger", Choice(charger=family)
    if family in METERS:
        return "meter", Choice(meter=family)
    return "inverter", Choice(inverter=family)


def truth(home: Home, view: View) -> dict[str, tuple[float, float]]:
    """Metric -> true value, and how far the coarsest register may be from it."""
    powers, battery = home.powers(), home.house.battery
    return {
        "ac_power_w": (powers.inverter_ac, 1.0),
        "pv_power_w": (powers.pv, 2.5),
        "battery_power_w": (powers.battery, 1.0),
        "grid_power_w": (powers.grid, 1.0),
        "charger_power_w": (powers.ev, 1.0),
        "battery_soc_pct": (home.truth().soc_pct, 0.51),
        "battery_capacity_wh": (battery.capacity_wh, 60),
        "battery_max_charge_w": (battery.max_charge_w, 1),
        "battery_max_discharge_w": (battery.max_discharge_w, 1),
        "grid_frequency_hz": (view.frequency_hz(), 0.06),
        "pv_energy_wh": (view.counter("pv"), 101),
        "battery_charge_wh": (view.counter("charge"), 101),
        "battery_discharge_wh": (view.counter("discharge"), 101),
        "grid_import_wh": (view.counter("grid_import"), 101),
        "grid_export_wh": (view.counter("grid_export"), 101),
        "charger_energy_wh": (view.counter("charger"), 101),
        "charger_session_wh": (home.state().session_wh, 1),
        "pv_limit_pct": (100.0, 0.0),
        **{f"grid_power_{n}_w": (w, 1.0) for n, w in zip(PHASES, view.phases_w(), strict=True)},
        **{
            f"grid_current_{n}_a": (abs(w) / VOLTAGE_V, 0.02)
            for n, w in zip(PHASES, view.phases_w(), strict=True)
        },
    }


def not_true(reading: Reading, true: dict[str, tuple[float, float]], home: Home) -> str:
    """What is wrong with it; empty where it is true."""
    assert reading.metric in METRICS
    powers = home.powers()
    if reading.quality is not Quality.GOOD or reading.value is None:
        return f"{reading.quality}"
    if reading.metric == "inverter_state":
        working = abs(powers.inverter_ac) > 500
        return "" if not working or reading.value in RUNNING else f"{reading.value} while it works"
    if reading.metric == "charger_state":
        charges = powers.ev > 0
        return "" if (reading.value == "charging") == charges else f"{reading.value}"
    if reading.metric == "battery_mode":
        return ""
    value, tolerance = true[reading.metric]
    assert isinstance(reading.value, int | float)
    far = abs(reading.value - value) > tolerance
    return f"{reading.value} where {value} is true" if far else ""
