"""Chargers of cars."""

from __future__ import annotations

from tests.devices.vendor_images.words import Image, Words, f32, f64, table, text, u32


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
