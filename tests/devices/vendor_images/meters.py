"""Meters of the grid connection."""

from __future__ import annotations

from tests.devices.vendor_images.words import Image, Words, f32, le32, table


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
