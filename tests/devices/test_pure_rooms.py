"""What a datasheet, the registers and the devices' rooms load when they are imported, in a fresh interpreter."""

from __future__ import annotations

import subprocess
import sys
from pkgutil import iter_modules

import pytest

from gateway.devices import profiles

LIBRARIES = ("pymodbus", "sunspec2", "serial", "pydantic", "numpy", "aiohttp", "aiomqtt", "sqlite3")
SHEETS = tuple(f"gateway.devices.profiles.{m.name}" for m in iter_modules(profiles.__path__))
PURE = (
    "gateway.modbus.address",
    "gateway.modbus.exceptions",
    "gateway.modbus.frames",
    "gateway.modbus.registers",
    "gateway.modbus.unit",
    "gateway.devices.control_sheet",
    "gateway.devices.datasheet",
    "gateway.devices.readout",
)


def loaded(*modules: str) -> list[str]:
    """Those of the libraries that are loaded once ``modules`` are imported."""
    text = "import sys, importlib\n"
    text += f"for name in {modules!r}: importlib.import_module(name)\n"
    text += f"print(*(m for m in {LIBRARIES!r} if m in sys.modules))"
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.mark.parametrize("module", PURE)
def test_a_pure_module_loads_no_library(module: str) -> None:
    assert loaded(module) == []


def test_every_datasheet_loads_no_library() -> None:
    assert loaded(*SHEETS) == []


def test_the_devices_load_the_wire_and_nothing_of_the_edge() -> None:
    assert set(loaded("gateway.devices.build")) <= {"pymodbus", "serial"}
