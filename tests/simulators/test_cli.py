"""energy-sim home: starts, says where it listens, and explains what was mistyped."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

import pytest

from tests.simulators.conftest import RawClient
from tests.waiting import HANG_S

PROGRAM = (sys.executable, "-c", "from simulators.cli import main; main()", "home")
ANY_PORTS = ("--port-inverter", "0", "--port-meter", "0", "--port-charger", "0")


async def run(*options: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        *PROGRAM, *options, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, error = await asyncio.wait_for(process.communicate(), HANG_S)
    return process.returncode or 0, out.decode(), error.decode()


async def test_it_serves_until_ctrl_c() -> None:
    process = await asyncio.create_subprocess_exec(
        *PROGRAM,
        *ANY_PORTS,
        "--start",
        "2026-06-01T18:00:00Z",
        "--rate",
        "60",
        "--fault",
        "charger:silent",
        "--heater",
        "elwa",
        "--port-heater",
        "0",
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    lines: list[str] = []
    async with asyncio.timeout(HANG_S):
        while not lines or not lines[-1].startswith("Ctrl-C"):
            lines.append((await process.stdout.readline()).decode())
    port = int(lines[0].split("127.0.0.1:")[1].split()[0])
    client = await RawClient.connect(port)
    assert await client.read(1, 40069, 2) == (103, 50)
    await client.close()
    assert lines[3].startswith("heater")
    heater = await RawClient.connect(int(lines[3].split("127.0.0.1:")[1].split()[0]))
    assert await heater.read(1, 1000, 2) == (0, 480), "48 °C, and off"
    await heater.close()
    process.send_signal(signal.SIGINT)
    rest, _ = await asyncio.wait_for(process.communicate(), HANG_S)
    assert rest.decode().strip() == "stopped"
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--data", "/no/such.csv"), "error: /no/such.csv: cannot be read"),
        (("--start", "yesterday"), "error: --start is 'yesterday'; write a UTC time"),
        (("--heater", "stove"), "error: --heater stove: one of elwa"),
        (("--rate", "0"), "error: --rate is 0; it must be above 0"),
        (("--rate", "nan"), "error: --rate is nan; it must be above 0"),
        (("--inverter", "acme"), "error: no simulated device 'acme'; there are fronius"),
        (("--fault", "roof:late"), "the device is one of inverter, meter, charger"),
        (("--fault", "meter:lazy"), "KIND is one of late"),
        (("--host", "192.0.2.1"), "error: cannot listen on 192.0.2.1"),
    ],
)
async def test_mistakes_are_one_clear_line(options: tuple[str, ...], message: str) -> None:
    code, _out, error = await run(*ANY_PORTS, *options)
    assert code == 2
    assert message in error
    assert error.count("\n") == 1


async def test_a_start_outside_the_data_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "day.csv"
    path.write_text(
        "start,load_wh,pv_wh,rt_price_per_mwh,da_price_per_mwh\n2024-06-01T06:00:00Z,1,2,3,4\n"
    )
    code, _out, error = await run(
        *ANY_PORTS, "--data", str(path), "--start", "2025-01-01T00:00:00Z"
    )
    assert code == 2
    assert "day.csv" in error


async def test_the_families_are_listed() -> None:
    code, out, _error = await run("--inverter", "list")
    assert code == 0
    assert "--inverter huawei" in out
    assert "--charger go-e" in out
