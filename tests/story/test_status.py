"""`status`, `plan` and `dump` at a gateway that runs, and at one that does not."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from pathlib import Path

import pytest

from gateway.cli.status import _sentences
from simulators.gateway_toml import TARIFF
from tests.story.test_daemon import PROGRAM, ended, house
from tests.waiting import HANG_S

MORE = """
[site]
name = "villa-rose"
time_zone = "Europe/Berlin"
latitude = 52.5163
longitude = 13.3777

[tariff]
currency = "EUR"
import_price = { kind = "flat", per_kwh = "0.32" }
export_price = { kind = "flat", per_kwh = "0.08" }

[battery]
capacity_wh = 13500
"""


async def energy_gateway(*words: str, folder: Path) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM, *words,
        cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    async with asyncio.timeout(HANG_S):
        said, _ = await process.communicate()
    return process.returncode or 0, said.decode()


async def test_a_running_gateway_says_what_it_sees_and_plans(tmp_path: Path) -> None:
    folder = tmp_path / ("a-folder-with-a-name-that-is-longer-than-a-socket-s-address-may-be" * 2)
    folder.mkdir()
    async with house(folder) as place:
        place.config.write_text(place.config.read_text().replace(TARIFF, "") + MORE)
        code, said = await energy_gateway("status", folder=folder)
        assert code == 1
        assert "no gateway runs with the state folder" in said
        process = await place.start()
        try:
            await place.until("energy/villa-rose/inverter/battery_soc_pct", lambda v: float(v) > 50)
            code, said = await energy_gateway("status", folder=folder)
            assert code == 0, said
            assert "villa-rose" in said
            assert "state of charge " in said
            assert "broker: reached" in said
            assert "inverter: ok" in said
            assert "import 0.3200" in said
            code, said = await energy_gateway("status", "--json", folder=folder)
            assert json.loads(said)["soc_pct"] == pytest.approx(60, abs=3)
            await place.until(
                "energy/villa-rose/plan/schedule",
                lambda v: bool(json.loads(v)["quarters"]),
            )
            code, said = await energy_gateway("plan", "--json", folder=folder)
            rows = json.loads(said)
            assert len(rows) >= 96
            assert {row["import_price"] for row in rows} == {0.32}
            code, said = await energy_gateway("plan", folder=folder)
            assert code == 0
            assert "battery Wh" in said
            assert "0.3200" in said
            code, dumped = await energy_gateway("dump", folder=folder)
            assert code == 0, dumped
        finally:
            process.send_signal(signal.SIGTERM)
        await ended(process)
    found = json.loads(dumped)
    assert found["running"]["live"]["soc_pct"] == pytest.approx(60, abs=3)
    assert found["configuration"]["tariff"]["currency"] == "EUR"
    assert found["configuration"]["site"]["latitude"] == 53
    assert not found["faults"]
    for private in ("villa-rose", "52.5163", "13.3777", str(tmp_path)):
        assert private not in dumped, private
    assert not (folder / "state" / "agent.sock").exists()


async def test_a_dump_of_a_file_that_is_wrong_says_what_and_masks_it(tmp_path: Path) -> None:
    config = tmp_path / "gateway.toml"
    config.write_text(
        '[site]\nname = "villa-rose"\nreserve_pct = 200\n[[device]]\nname = "inverter"\nprofile = "fronius-gen24"\n'
        'host = "pv.miller.example"\n[mqtt]\nhost = "192.168.7.9"\nusername = "jane.miller"\n'
        '[market]\nurl = "https://x.example.net:8443/a"\nparty_id = "DE-4711"\ncredential_file = "/home/jane/key"\n'
        '[dashboard]\nsecurity_contact = "mailto:jane@miller.example"\n'
    )
    code, dumped = await energy_gateway("dump", "--config", str(config), folder=tmp_path)
    assert code == 0
    found = json.loads(dumped)
    assert "site.reserve_pct" in found["faults"][0]
    assert found["configuration"]["mqtt"] == {"host": "host-2", "username": "user-1"}
    for private in ("villa", "miller", "192.168", "jane", "example.net", "4711"):
        assert private not in dumped, private


def test_what_wants_to_be_looked_at_is_told_apart_from_what_explains() -> None:
    live = {"alarms": ["the meter is lost"], "notes": ["the meter is lost", "first days"]}
    assert list(_sentences(live)) == ["  ALARM: the meter is lost", "  note: first days"]
