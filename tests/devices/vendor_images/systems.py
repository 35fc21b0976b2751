"""Controllers that stand for a whole home: inverters, battery and meter behind one address."""

from __future__ import annotations

from tests.devices.vendor_images.words import Image, Words, table, text, u32, u64


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
