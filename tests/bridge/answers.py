"""What devices without Modbus answer, as their makers and projects publish it, and what is right then."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Answer:
    """``replies``: path -> JSON."""

    replies: dict[str, Any]
    readings: dict[str, float | str]
    absent: tuple[str, ...] = ()
    values: dict[str, str] = field(default_factory=dict)
    token: str = ""


_P1 = {
    "smr_version": 50,
    "meter_model": "Landis + Gyr",
    "total_power_import_kwh": 13779.338,
    "total_power_import_t1_kwh": 10830.511,
    "total_power_import_t2_kwh": 2948.827,
    "total_power_export_t1_kwh": 1285.951,
    "total_power_export_t2_kwh": 2876.514,
    "active_power_w": -543,
    "active_power_l1_w": -676,
    "active_power_l2_w": 133,
    "active_power_l3_w": 0,
    "active_current_l1_a": -4,
    "active_current_l2_a": 2,
    "active_current_l3_a": 0,
}
_EM = [
    {"power": -812.5, "current": 3.61, "total": 120000.0, "total_returned": 5000.5},
    {"power": 100.25, "current": 0.6, "total": 30000.0, "total_returned": 0.0},
    {"power": 12.0, "current": 0.1, "total": 6000.0, "total_returned": 0.0},
]
_VITALS = {
    "contactor_closed": True,
    "vehicle_connected": True,
    "grid_v": 230.1,
    "vehicle_current_a": 15.9,
    "currentA_a": 16.0,
    "currentB_a": 15.8,
    "currentC_a": 0.0,
    "voltageA_v": 230.0,
    "voltageB_v": 231.0,
    "voltageC_v": 0.0,
    "session_energy_wh": 22864.699,
    "evse_state": 11,
}


def _entity(state: str, unit: str, reported: str) -> dict[str, Any]:
    return {
        "state": state,
        "attributes": {"unit_of_measurement": unit, "friendly_name": "x"},
        "last_updated": "2026-05-01T00:00:00+00:00",
        "last_reported": reported,
    }


_NOW = "2026-06-01T11:59:58.5+00:00"
ANSWERS: dict[str, Answer] = {
    "homewizard-p1": Answer(
        {"/api/v1/data": _P1},
        {
            "grid_power_w": -543,
            "grid_import_wh": 13_779_338,
            "grid_export_wh": 4_162_465,
            "grid_power_l1_w": -676,
            "grid_power_l2_w": 133,
            "grid_power_l3_w": 0,
            "grid_current_l1_a": 4,
            "grid_current_l2_a": 2,
            "grid_current_l3_a": 0,
        },
        ("grid_frequency_hz",),
    ),
    "shelly-3em-http": Answer(
        {"/status": {"emeters": _EM, "total_power": -700.25}},
        {
            "grid_power_w": -700.25,
            "grid_import_wh": 156_000,
            "grid_export_wh": 5000.5,
            "grid_power_l1_w": -812.5,
            "grid_power_l2_w": 100.25,
            "grid_power_l3_w": 12,
            "grid_current_l1_a": 3.61,
            "grid_current_l2_a": 0.6,
            "grid_current_l3_a": 0.1,
        },
    ),
    "shelly-pro-3em-http": Answer(
        {
            "/rpc/EM.GetStatus": {
                "id": 0,
                "a_current": 4.029,
                "a_act_power": 951.2,
                "b_current": 1.2,
                "b_act_power": -250.0,
                "c_current": 0.5,
                "c_act_power": 101.0,
                "total_act_power": 802.2,
            },
            "/rpc/EMData.GetStatus": {"id": 0, "total_act": 445_666.5, "total_act_ret": 2300.25},
        },
        {
            "grid_power_w": 802.2,
            "grid_import_wh": 445_666.5,
            "grid_export_wh": 2300.25,
            "grid_power_l1_w": 951.2,
            "grid_power_l2_w": -250,
            "grid_power_l3_w": 101,
            "grid_current_l1_a": 4.029,
            "grid_current_l2_a": 1.2,
            "grid_current_l3_a": 0.5,
        },
    ),
    "shelly-pm-pv": Answer(
        {
            "/rpc/Shelly.GetStatus": {
                "switch:0": {"apower": 612.4, "aenergy": {"total": 123_456.789}}
            }
        },
        {"pv_power_w": 612.4, "ac_power_w": 612.4, "pv_energy_wh": 123_456.789},
    ),
    "shelly-plug": Answer(
        {"/rpc/Switch.GetStatus": {"id": 0, "output": True, "apower": 1904.2}},
        {"heat_power_w": 1904.2},
    ),
    "shelly-sg-ready": Answer(
        {
            "/rpc/Shelly.GetStatus": {
                "switch:0": {"id": 0, "output": False},
                "switch:1": {"id": 1, "output": True},
            }
        },
        {"heat_pump_state": "encouraged"},
    ),
    "tasmota-pv": Answer(
        {"/cm": {"StatusSNS": {"ENERGY": {"Power": 587, "Total": 1234.567}}}},
        {"pv_power_w": 587, "ac_power_w": 587, "pv_energy_wh": 1_234_567},
    ),
    "hardy-barth-cph2": Answer(
        {
            "/api": {
                "device": {"modelname": "cPH2", "software_version": "2.3.1"},
                "secc": {
                    "port0": {
                        "ci": {"charge": {"cp": {"status": "C2"}}},
                        "metering": {
                            "power": {"active_total": {"actual": "110412"}},
                            "energy": {"active_import": {"actual": "1234567"}},
                        },
                    }
                },
            }
        },
        {
            "charger_state": "charging",
            "charger_power_w": 11_041.2,
            "charger_energy_wh": 1_234_567,
        },
    ),
    "tesla-wall-connector": Answer(
        {"/api/1/vitals": _VITALS, "/api/1/lifetime": {"energy_wh": 9_988_776}},
        {
            "charger_state": "charging",
            "charger_power_w": 16 * 230 + 15.8 * 231,
            "charger_session_wh": 22864.699,
            "charger_energy_wh": 9_988_776,
        },
    ),
    "powerwall": Answer(
        {
            "/aggregates": {
                "site": {
                    "instant_power": -21.4,
                    "energy_imported": 2_000_111.5,
                    "energy_exported": 17_000.25,
                },
                "battery": {
                    "instant_power": -2350,
                    "energy_imported": 3_000_000,
                    "energy_exported": 2_600_000,
                },
                "load": {"instant_power": 1546.6},
                "solar": {"instant_power": 3906.1, "energy_exported": 8_000_000},
            },
            "/soe": {"percentage": 69.16},
        },
        {
            "grid_power_w": -21.4,
            "grid_import_wh": 2_000_111.5,
            "grid_export_wh": 17_000.25,
            "battery_power_w": -2350,
            "battery_charge_wh": 3_000_000,
            "battery_discharge_wh": 2_600_000,
            "battery_soc_pct": 69.16,
            "load_power_w": 1546.6,
            "pv_power_w": 3906.1,
            "pv_energy_wh": 8_000_000,
        },
    ),
    "home-assistant": Answer(
        {
            "/api/states/sensor.grid": _entity("-1.25", "kW", _NOW),
            "/api/states/sensor.bought": _entity("4321.5", "kWh", _NOW),
        },
        {"grid_power_w": -1250, "grid_import_wh": 4_321_500},
        ("grid_export_wh",),
        {"grid_power_w": "sensor.grid", "grid_import_wh": "sensor.bought"},
        token="abc",
    ),
    "http-json": Answer(
        {"/status": {"meter": {"p": [2.5, 1]}}, "/count": 77.5},
        {"grid_power_w": 2500, "grid_export_wh": 77_500},
        ("grid_import_wh",),
        {"grid_power_w": "/status#meter.p[0] kW", "grid_export_wh": "/count# kWh"},
    ),
}
