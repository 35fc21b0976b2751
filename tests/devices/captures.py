"""Registers captured from real devices, as images to serve; absent captures skip their tests."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

SUNS = {40000: 0x5375, 40001: 0x6E53}


def capture(name: str) -> dict[str, Any]:
    root = Path(__file__).parents[2]
    shared = Path(os.environ.get("HEG_SHARED", root.parent / "shared"))
    path = shared / "captures" / f"{name}.json"
    if not path.is_file():
        pytest.skip(f"no captured registers at {path}")
    loaded: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return loaded


def image(registers: dict[str, int]) -> dict[int, int]:
    return {int(address): word for address, word in registers.items()}


def verto() -> dict[int, dict[int, int]]:
    """The Verto (unit 1) and its meter, whose headers the capture left out (model 203 of 105)."""
    loaded = capture("fronius_verto_plus_2026")
    heads = SUNS | {40002: 1, 40003: 65, 40069: 203, 40070: 105}
    tail = {40174: 0, 40175: 0, 40176: 0xFFFF, 40177: 0}
    return {
        1: image(loaded["registers_unit_1"]),
        200: image(loaded["registers_unit_200"]) | heads | tail,
    }


def fimer() -> dict[int, dict[int, int]]:
    return {1: image(capture("fimer_pvs_12mppt")["registers"])}


def goodwe() -> dict[int, dict[int, int]]:
    """The RTU body of each frame (after aa55) at the address that its request named."""
    starts = {
        "device_info": 35000,
        "running_data": 35100,
        "meter_data": 36000,
        "battery_info": 37000,
        "mppt_data": 35301,
    }
    words: dict[int, int] = {}
    for name, text in capture("goodwe_gw25k_et_frames")["frames"].items():
        frame = bytes.fromhex(text)
        data = frame[5 : 5 + frame[4]]
        for i in range(0, len(data), 2):
            words[starts[name] + i // 2] = int.from_bytes(data[i : i + 2], "big")
    return {247: words}


def solis() -> dict[int, dict[int, int]]:
    """Input registers as the logger's requests and the inverter's replies show them."""
    words: dict[int, int] = {}
    for asked, answered in capture("solis_rhi6k_rtu_pairs")["pairs"]:
        request, reply = bytes.fromhex(asked), answered.replace("x", "0")
        if request[1] != 4 or int(reply[2:4], 16) & 0x80:
            continue
        start, size = int.from_bytes(request[2:4], "big"), int(reply[4:6], 16)
        data = bytes.fromhex(reply[6 : 6 + 2 * size])
        for i in range(0, size, 2):
            words[start + i // 2] = int.from_bytes(data[i : i + 2], "big")
    return {1: words}
