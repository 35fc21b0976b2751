"""Inverters with panels and a battery, or one of them."""

from __future__ import annotations

from tests.devices.vendor_images.words import Image, Words, f32, le32, spread, table, text, u32, u64


def goodwe(mode: int = 2, second: Words | None = None, serial: str = "9010KETU000W0001") -> Image:
    """A GoodWe of 10 kW: 820 W out of the battery at ``mode``; ``second`` are registers of another."""
    points: Words = {
        35001: 10_000,
        35003: text(serial, 8),
        35011: text("GW10K-ET", 5),
        35105: u32(1000),
        35109: u32(500),
        35123: 5001,
        35138: 2290,
        35182: u32(820),
        35184: mode,
        35187: 1,
        35191: u32(1000),
        36004: 1,
        36015: f32(10_514.375),
        36017: f32(3_254_462.25),
        36025: u32(-110 & 0xFFFF_FFFF),
        37007: 68,
        37009: 5,
        47511: 1,
    }
    blocks = ((35000, 35225), (36000, 36045), (37000, 37024), (47511, 47513))
    words = table(points, blocks)
    words.update(table(second or {}))
    return Image(
        247,
        words,
        model="GW10K-ET",
        serial=serial,
        readings={
            "pv_power_w": 1500,
            "battery_power_w": 820,
            "battery_soc_pct": 68,
            "battery_mode": "auto",
            "grid_power_w": 110,
            "grid_export_wh": 10_514.375,
            "inverter_state": "running",
        },
    )


def sungrow_without_battery() -> Image:
    """The registers of a battery are there, all at 0."""
    points: Words = {
        4989: text("A2300000002", 10),
        4999: 0xE03,
        5016: le32(2950),
        5241: 5002,
        12999: 0x40,
        13002: le32(26_100),
        13009: le32(1650),
        13033: le32(2870),
        13036: le32(1499),
        13045: le32(8700),
    }
    blocks = ((4949, 5100), (5600, 5700), (12999, 13120))
    return Image(
        1,
        table({13050: 0xCC}, ((13049, 13090),)),
        table(points, blocks),
        serial="A2300000002",
        readings={
            "pv_power_w": 2950,
            "grid_power_w": -1650,
            "battery_power_w": None,
            "battery_soc_pct": None,
            "battery_capacity_wh": None,
        },
    )


def sungrow() -> Image:
    points: Words = {
        4989: text("A2300000001", 10),
        4999: 0xE03,
        5016: le32(716),
        5241: 4998,
        5638: 960,
        12999: 0x40,
        13000: 0x02,
        13002: le32(166),
        13009: le32(-64 & 0xFFFF_FFFF),
        13021: 1588,
        13022: 400,
        13026: le32(514),
        13033: le32(-872 & 0xFFFF_FFFF),
        13036: le32(815),
        13040: le32(590),
        13045: le32(135),
    }
    blocks = ((4949, 5100), (5600, 5700), (12999, 13120))
    return Image(
        1,
        table({}, ((13049, 13080),)),
        table(points, blocks),
        serial="A2300000001",
        readings={
            "ac_power_w": -872,
            "pv_power_w": 716,
            "battery_power_w": -1588,
            "battery_soc_pct": 40,
            "battery_capacity_wh": 9600,
            "battery_charge_wh": 59_000,
            "grid_power_w": 64,
            "grid_frequency_hz": 49.98,
            "inverter_state": "running",
            "battery_mode": "auto",
        },
    )


def huawei(storage: int = 2, meter: int = 1, exported: int = 100) -> Image:
    """``exported`` in 10 Wh; some meters count it below 0."""
    points: Words = {
        30000: text("SUN2000-10KTL-M1", 15),
        30015: text("HV2100000001", 10),
        32064: u32(4000),
        32080: u32(3900),
        32085: 5000,
        32089: 0x200,
        32106: u32(12_345),  # AC yield: what the battery gave is in it
        32108: u32(11_234),
        37046: u32(5000),
        37048: u32(5000),
        37100: meter,
        37113: u32(-700 & 0xFFFF_FFFF),
        37119: u32(exported & 0xFFFF_FFFF),
        37121: u32(200),
        37758: u32(10_000),
        37760: 555,
        37762: storage,
        37765: u32(1200),
        37780: u32(300),
        37782: u32(250),
        47100: 1,
    }
    blocks = ((30000, 30080), (32000, 32116), (37000, 37140), (37700, 37790), (47075, 47255))
    return Image(
        1,
        table(points, blocks),
        model="SUN2000-10KTL-M1",
        serial="HV2100000001",
        readings={
            "pv_power_w": 4000,
            "battery_power_w": -1200,
            "battery_soc_pct": 55.5,
            "battery_charge_wh": 3000,
            "pv_energy_wh": 112_340,
            "grid_power_w": 700,
            "grid_import_wh": 2000,
            "grid_export_wh": 10 * abs(exported),
            "inverter_state": "running",
            "battery_mode": "held",
        },
    )


def growatt() -> Image:
    points: Words = {
        1: u32(12_000),
        37: 5002,
        91: u32(4000),
        1000: 5,
        1009: u32(0),
        1011: u32(5_000),
        1014: 81,
        1021: u32(0),
        1029: u32(2_500),
        1046: u32(10),
        1050: u32(0xFFFF_FFF0),  # it ran below 0
        1054: u32(20),
        1058: u32(30),
    }
    return Image(
        1,
        table({9: text("RA1.0ZBDA-01", 6), 23: text("LCH0000001", 5)}, ((0, 125),)),
        table(points, ((0, 125), (1000, 1125))),
        serial="LCH0000001",
        readings={
            "pv_power_w": 1200,
            "battery_power_w": -500,
            "battery_soc_pct": 81,
            "grid_power_w": -250,
            "grid_import_wh": 1000,
            "grid_export_wh": None,
            "battery_charge_wh": 3000,
            "inverter_state": "running",
        },
    )


def deye(kind: int = 5) -> Image:
    """A three-phase Deye; the types of high voltage count powers in 10 W."""
    points: Words = {
        0: kind,
        3: text("2300000001", 5),
        500: 2,
        516: [300, 0],
        518: [200, 0],
        522: [100, 1],
        524: [50, 0],
        534: [400, 0],
        588: 77,
        590: -450 & 0xFFFF,
        609: 5000,
        625: -300 & 0xFFFF,
        636: 900,
        672: [700, 650],
    }
    return Image(
        1,
        table(points, ((0, 60), (500, 700))),
        serial="2300000001",
        readings={
            "pv_power_w": 1350,
            "battery_power_w": -450,
            "battery_soc_pct": 77,
            "grid_power_w": -300,
            "grid_import_wh": 6_563_600,
            "inverter_state": "running",
        },
    )


def solax() -> Image:
    points: Words = {
        9: 2,
        10: [800, 700],
        22: 400,
        28: 60,
        70: le32(250),
        72: le32(10),
        74: le32(20),
    }
    return Image(
        1,
        table({0: text("H34A0000000001", 7), 7: text("solax", 7), 14: text("X3-Hybrid-G4", 7)}),
        table(points, ((0, 160),)),
        model="X3-Hybrid-G4",
        serial="H34A0000000001",
        readings={
            "pv_power_w": 1500,
            "battery_power_w": -400,
            "grid_power_w": -250,
            "inverter_state": "running",
        },
    )


def solis() -> Image:
    points: Words = {
        33000: 0x3105,
        33004: text("6031050000000001", 8),
        33057: u32(2000),
        33079: u32(1500),
        33094: 5000,
        33095: 3,
        33133: [490, 28, 1],
        33139: 20,
        33263: u32(100),
    }
    blocks = ((33000, 33200), (33250, 33290))
    return Image(
        1,
        input=table(points, blocks),
        serial="6031050000000001",
        readings={"ac_power_w": 1500, "battery_power_w": 49 * 2.8, "grid_power_w": -100},
    )


def foxess(name: str = " H3-10.0-E") -> Image:
    """The name has one character a register and a blank before it."""
    points: Words = {
        30000: spread(name, 16),
        30016: spread("60H3000000001", 16),
        32009: u32(700),
        31002: 900,
        31005: 800,
        31026: [100, 100, 50],
        31036: -600 & 0xFFFF,
        31038: 44,
        32012: u32(500),
        44000: 1,
    }
    blocks = ((30000, 30040), (31000, 31060), (32000, 32030), (44000, 44004))
    return Image(
        247,
        table(points, blocks),
        model="H3-10.0-E",
        serial="60H3000000001",
        readings={
            "pv_power_w": 1700,
            "battery_power_w": -600,
            "grid_power_w": -250,
            "grid_import_wh": 50_000,
            "grid_export_wh": 70_000,
            "battery_mode": "held",
        },
    )


def sma() -> Image:
    absent = u32(0x8000_0000)
    points: Words = {
        30051: u32(8009),
        30053: u32(19_052),
        30057: u32(3_012_345_678),
        30201: u32(307),
        30513: u64(5_000_000),
        30581: u32(1000),
        30583: u32(2000),
        30773: u32(1500),
        30775: u32(2400),
        30803: u32(5001),
        30845: u32(55),
        30865: u32(0),
        30867: u32(300),
        30961: u32(1000),
        30967: absent,
        31393: u32(0),
        31395: u32(1200),
        31397: u64(123_456),
        31401: u64(234_567),
        40187: u32(10_240),
    }
    return Image(
        3,
        table(points),
        serial="3012345678",
        readings={
            "ac_power_w": 2400,
            "pv_power_w": 2500,
            "battery_power_w": 1200,
            "battery_charge_wh": 123_456,
            "battery_capacity_wh": 10_240,
            "grid_power_w": -300,
            "inverter_state": "running",
        },
    )
