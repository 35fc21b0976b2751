"""Registers of devices without SunSpec, written by hand from the makers' tables: small, but whole enough."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

Words = Mapping[int, int | Sequence[int]]


def text(words: str, registers: int) -> list[int]:
    data = words.encode().ljust(2 * registers, b"\0")
    return list(struct.unpack(f">{registers}H", data))


def f32(value: float) -> list[int]:
    return list(struct.unpack(">HH", struct.pack(">f", value)))


def f64(value: float) -> list[int]:
    return list(struct.unpack(">4H", struct.pack(">d", value)))


def u32(value: int) -> list[int]:
    return [value >> 16 & 0xFFFF, value & 0xFFFF]


def le32(value: int) -> list[int]:
    return u32(value)[::-1]


def spread(words: str, registers: int) -> list[int]:
    """One character a register, as FoxESS writes its names."""
    return list(words.ljust(registers).encode())


def u64(value: int) -> list[int]:
    return [*u32(value >> 32), *u32(value & 0xFFFF_FFFF)]


def table(points: Words, fill: Sequence[tuple[int, int]] = ()) -> dict[int, int]:
    """Registers of ``points``; the ranges of ``fill`` (first, end) hold 0 where nothing else stands."""
    words = {a: 0 for first, end in fill for a in range(first, end)}
    for address, value in points.items():
        some = [value] if isinstance(value, int) else list(value)
        words.update({address + i: w & 0xFFFF for i, w in enumerate(some)})
    return words


@dataclass(frozen=True)
class Image:
    """One device: its unit, its registers, and what must be read from them."""

    unit: int
    holding: dict[int, int] = field(default_factory=dict)
    input: dict[int, int] = field(default_factory=dict)
    model: str = ""
    serial: str = ""
    readings: Mapping[str, float | str | None] = field(default_factory=dict)


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


def victron() -> Image:
    """One phase, panels on a charger at the battery only: the rest is not there."""
    none = [0xFFFF] * 9
    points: Words = {
        800: text("c0619ab00001", 6),
        808: none,
        817: [600, 0xFFFF, 0xFFFF],
        820: [-200 & 0xFFFF, 0x7FFF, 0x7FFF],
        842: [500, 64],
        850: 1300,
    }
    blocks = ((800, 826), (826, 851), (2700, 2720), (5400, 5401))
    return Image(
        100,
        table(points, blocks),
        serial="c0619ab00001",
        readings={
            "pv_power_w": 1300,
            "grid_power_w": -200,
            "battery_power_w": -500,
            "battery_soc_pct": 64,
        },
    )


def sdm630() -> Image:
    points: Words = {
        0: [*f32(231.5), *f32(230), *f32(229.5)],
        52: f32(-1234.5),
        70: f32(49.98),
        72: f32(1000.5),
        74: f32(2000.25),
    }
    return Image(
        1,
        input=table(points, ((0, 110),)),
        readings={
            "grid_power_w": -1234.5,
            "grid_import_wh": 1_000_500,
            "grid_export_wh": 2_000_250,
        },
    )


def em24_din() -> Image:
    """Another type, with other places for frequency and energy."""
    points: Words = {
        0x0B: 71,
        0x28: le32(8_765),
        0x37: 499,
        0x42: le32(98_765),
        0x5C: le32(4_321),
    }
    return Image(
        1,
        input=table(points, ((0, 0x60),)),
        readings={
            "grid_power_w": 876.5,
            "grid_frequency_hz": 49.9,
            "grid_import_wh": 9_876_500,
            "grid_export_wh": 432_100,
        },
    )


def sigenergy() -> Image:
    """30031 is the plant's AC power, 30035 what its panels give, 30037 the battery, charging +: 4,000 = 5,600 - 1,600 W."""
    points: Words = {
        30003: [0, 1],
        30005: u32(-1100 & 0xFFFF_FFFF),
        30010: u32(10_000),
        30014: 755,
        30031: u32(4000),
        30035: u32(5600),
        30037: u32(1600),
        30051: 1,
        30083: u32(1612),
        30088: u64(1_111_111),
        30200: u64(222_222),
        30204: u64(211_111),
        30216: u64(333_333),
        30220: u64(444_444),
    }
    return Image(
        247,
        input=table(points, ((30000, 30100), (30200, 30230))),
        readings={
            "ac_power_w": 4000,
            "pv_power_w": 5600,
            "battery_power_w": -1600,
            "battery_soc_pct": 75.5,
            "battery_capacity_wh": 16_120,
            "grid_power_w": -1100,
            "pv_energy_wh": 11_111_110,
            "grid_import_wh": 3_333_330,
            "grid_export_wh": 4_444_440,
        },
    )


def carlo_gavazzi() -> Image:
    points: Words = {
        0x0B: 341,
        0x28: le32(-12_345 & 0xFFFF_FFFF),
        0x33: 500,
        0x34: le32(70),
        0x4E: le32(90),
    }
    return Image(
        1,
        input=table(points, ((0, 0x60),)),
        readings={"grid_power_w": -1234.5, "grid_import_wh": 7000, "grid_export_wh": 9000},
    )


def go_e(firmware: str = "055.5", power: int = 367_890) -> Image:
    """Hardware V3 counts 0.01 W; V1 and V2, whose firmware begins with 04, count 10 W."""
    points: Words = {
        100: 2,
        105: text(firmware, 3),
        120: u32(power),
        128: u32(1500),
        132: u32(720),
        304: text("012345678901", 6),
    }
    return Image(
        1,
        table({299: 16, 337: 0}),
        table(points, ((100, 160), (300, 320))),
        serial="012345678901",
        readings={"charger_state": "charging", "charger_power_w": 3678.9},
    )


def keba(product: int = 317_240, safe_ma: int = 0, safe_s: int = 0) -> Image:
    points: Words = {
        1000: u32(3),
        1004: u32(7),
        1014: u32(17_619_300),
        1016: u32(product),
        1020: u32(7_000_000),
        1036: u32(12_340),
        1502: u32(560),
        1600: u32(safe_ma),
        1602: u32(safe_s),
    }
    return Image(
        255,
        table(points),
        model=str(product),
        serial="17619300",
        readings={"charger_state": "charging", "charger_power_w": 7000, "charger_energy_wh": 1234},
    )


def alfen() -> Image:
    points: Words = {344: f32(7000), 374: f64(1234.0), 1200: 1, 1201: text("C2", 5), 1210: f32(16)}
    return Image(1, table(points), readings={"charger_state": "charging", "charger_power_w": 7000})


def abb() -> Image:
    points: Words = {
        0x4006: u32(32_000),
        0x400A: u32(257),
        0x400C: u32(0x0200),
        0x400E: u32(16_000),
        0x401C: u32(0),
        0x401E: u32(500),
    }
    return Image(1, table(points, ((0x4000, 0x4022),)), readings={"charger_power_w": 0})


def heidelberg(state: int = 7) -> Image:
    points: Words = {4: 0x108, 5: state, 14: 3600, 17: u32(1234), 100: [16, 6]}
    return Image(
        1,
        table({258: 4, 259: int(state != 10), 261: 160}),
        table(points, ((4, 19), (100, 102))),
        readings={"charger_state": "charging", "charger_power_w": 3600, "charger_energy_wh": 1234},
    )


def mennekes() -> Image:
    points: Words = {
        0x0100: 5,
        0x0302: f32(16),
        0x0512: f32(3500),
        0x0B02: f32(1.5),
        0x0D05: 1,
        0x1000: f32(12.25),
    }
    return Image(50, table(points), readings={"charger_state": "charging", "charger_power_w": 3500})


def webasto() -> Image:
    """A Next: it tells no name and counts Wh."""
    points: Words = {
        1000: [3, 1, 2],
        1004: 3,
        1020: u32(10_800),
        1036: u32(1_987_654),
        1100: 32,
        1102: 6,
        1502: 4800,
    }
    words = table(points, ((1000, 1040), (1100, 1112), (1502, 1504)))
    return Image(
        255,
        words | table({5004: 16, 6000: 0}),
        readings={
            "charger_state": "charging",
            "charger_power_w": 10_800,
            "charger_energy_wh": 1_987_654,
            "charger_session_wh": 4800,
        },
    )


def vestel() -> Image:
    """An EVC04 under Webasto's name: it counts 0.1 kWh."""
    points: Words = {
        100: text("WB0000001", 25),
        190: text("WEBASTO", 10),
        210: text("UNITE", 5),
        230: text("v3.187", 50),
        1001: 1,
        1004: 2,
        1020: u32(3400),
        1036: u32(22),
        1502: u32(1100),
    }
    return Image(
        255,
        table({5004: 16, 6000: 0}),
        table(points, ((100, 280), (1000, 1040), (1502, 1504))),
        model="UNITE",
        serial="WB0000001",
        readings={
            "charger_state": "charging",
            "charger_power_w": 3400,
            "charger_energy_wh": 2200,
        },
    )


IMAGES: dict[str, Image] = {
    "abb-terra-ac": abb(),
    "alfen-eve": alfen(),
    "carlo-gavazzi-em": carlo_gavazzi(),
    "deye-3p": deye(),
    "foxess-h3": foxess(),
    "go-e": go_e(),
    "goodwe-et": goodwe(),
    "growatt-sph": growatt(),
    "heidelberg-ec": heidelberg(),
    "huawei-sun2000": huawei(),
    "keba-p30": keba(),
    "mennekes-compact": mennekes(),
    "sdm630": sdm630(),
    "sma-hybrid": sma(),
    "solax-x": solax(),
    "solis-rhi": solis(),
    "sungrow-sh": sungrow(),
    "victron-gx": victron(),
    "sigenergy": sigenergy(),
    "vestel-evc04": vestel(),
    "webasto-next": webasto(),
}
