"""`check` finds what `run` would refuse, in its words; and it leaves a gateway that runs alone."""

from __future__ import annotations

import asyncio
import re
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.agent.compose import Agent
from gateway.checkup.here import on_this_machine
from gateway.cli import make_app
from gateway.clock import WallClock
from gateway.config import credstore, paths
from gateway.config.load import load_settings
from gateway.dashboard.password import hashed
from gateway.dashboard.server import Dashboard
from gateway.errors import ConfigError
from tests.dashboard.conftest import settings as page_settings
from tests.dashboard.homes import Source
from tests.story.test_daemon import ended, house
from tests.waiting import HANG_S

TARIFF = '[tariff]\nimport_price = { kind = "flat", per_kwh = "0.14" }\n'
DEVICE = '[[device]]\nname = "inverter"\nprofile = "fronius-gen24"\nhost = "127.0.0.1"\nport = 1\n'
UNIT = Path(__file__).parents[2] / "systemd" / "energy-gateway.service"

REFUSED = {
    "the page is open to all": ('[dashboard]\nhost = "0.0.0.0"\n', ":8: dashboard.host: "),
    "the page is behind a proxy, for all": ('[dashboard]\nnames = ["energy.lan"]\n', ":7: dashboard.host: "),
    "no such password file": ('[dashboard]\npassword_file = "{folder}/none"\n', ":7: dashboard.host: "),
    "a password that is no hash": ('[dashboard]\npassword_file = "{folder}/gateway.toml"\n', ":7: dashboard.host: "),
    "an exchange that nobody knows": ('[market]\nexchange = "ctss"\nurl = "http://x.example"\n', ":8: market.exchange: "),
    "a strategy that nobody knows": ('[planner]\nstrategy = "best"\n', ":8: planner.strategy: "),
    "a feed without its key": ('[[price_feed]]\nname = "spot"\nprovider = "tibber"\n', ":9: price_feed 'spot': provider: "),
    "panels nowhere": ('[pv_forecast]\nprovider = "open-meteo"\npeak_w = 5000\n', ":8: pv_forecast.provider: "),
}  # fmt: skip
SAID: dict[str, tuple[str, str]] = {
    "no such password of the broker": ('[mqtt]\nusername = "home"\npassword_file = "{folder}/none"\n', ":9: mqtt.password_file: "),
    "no such authority of the broker": ('[mqtt]\ntls = true\nca_file = "{folder}/none"\n', ":9: mqtt.ca_file: "),
    "a price in cents": ('[tariff]\ncurrency = "EUR"\nimport_price = {{ kind = "flat", per_kwh = "32" }}\n', ":9: tariff.import_price: 32 EUR a kWh"),
    "a price that nobody publishes": ('[tariff]\nimport_price = {{ kind = "published" }}\n', ":8: tariff.import_price: kind = 'published' without an exchange"),
}  # fmt: skip


def offline(config: Path) -> tuple[int, str]:
    done = CliRunner().invoke(make_app("gateway.cli", ""), ["check", "--config", str(config), "--offline"])  # fmt: skip
    return done.exit_code, f"{done.output}\n{done.exception or ''}"


def written(folder: Path, more: str) -> Path:
    config = folder / "gateway.toml"
    stated = "" if "[tariff]" in more else TARIFF
    config.write_text(DEVICE + "\n" + more.format(folder=folder) + stated)
    return config


@pytest.mark.parametrize("case", REFUSED)
def test_what_run_refuses_check_says_with_its_line(case: str, tmp_path: Path) -> None:
    more, line = REFUSED[case]
    config = written(tmp_path, more)
    settings = load_settings(config).model_copy(update={"state_dir": tmp_path})
    with pytest.raises(ConfigError) as refused:
        Agent(settings, WallClock(), lambda _: None)
    code, said = offline(config)
    assert code == 1  # of the runner; the command line makes 2 of a ConfigError
    assert f"{config}{line}{refused.value}" in said, said


@pytest.mark.parametrize("case", SAID)
def test_what_run_can_only_complain_of_check_says_too(case: str, tmp_path: Path) -> None:
    more, line = SAID[case]
    config = written(tmp_path, more)
    code, said = offline(config)
    assert code == 1
    assert f"{config}{line}" in said, said


async def online(config: Path) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "import sys; from gateway.cli import main; sys.argv[0] = 'energy-gateway'; main()",
        "check", "--config", str(config), "--accept",
        cwd=config.parent, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await process.communicate()
    return process.returncode or 0, said.decode()


async def test_state_ports_and_size_are_looked_at(tmp_path: Path) -> None:
    """A port that is taken, a state folder that is a file, and a battery of another size than the inverter's."""
    taken = socket.create_server(("127.0.0.1", 0))
    port = taken.getsockname()[1]
    try:
        async with house(tmp_path) as place:
            text = place.config.read_text()
            code, said = await online(place.config)
            assert code == 0, said
            (tmp_path / "file").write_text("")
            wrong = text.replace(f"{tmp_path}/state", f"{tmp_path}/file/state")
            wrong = wrong.replace("[dashboard]\nport = 0", f"[dashboard]\nport = {port}")
            place.config.write_text(wrong + "[battery]\ncapacity_wh = 1350\n")
            code, said = await online(place.config)
    finally:
        taken.close()
    assert code == 1
    assert f"FAULT state: {place.config}:2: state_dir: {tmp_path}/file is no folder" in said
    assert f"dashboard.port: cannot listen at 127.0.0.1 port {port}: Address already in use" in said
    assert "battery.capacity_wh: capacity_wh = 1350, but the device says 13500 Wh" in said


@pytest.mark.parametrize("password", [False, True])
async def test_the_port_of_a_running_gateways_page_is_no_fault(
    tmp_path: Path, password: bool
) -> None:
    """Whoever is not the service's user cannot look into its folders, but its page answers."""
    locked: dict[str, object] = {}
    if password:
        file = tmp_path / "password"
        file.write_text(hashed("a long one for the page"))
        file.chmod(0o600)
        locked = {"password_file": file}
    served = Dashboard(page_settings(**locked), Source(), metrics=lambda: b"")
    await served.start()
    config = written(tmp_path, f"[dashboard]\nport = {served.port}\n")
    try:
        settings, text = load_settings(config), config.read_text()
        found = [f async for f in on_this_machine(config, text, settings, running=False)]
    finally:
        await served.stop()
    (page,) = (f for f in found if f.what == "page")
    assert page.good
    assert "a gateway's page answers there" in page.says


async def test_a_gateway_that_runs_is_found_from_any_folder_and_left_alone(tmp_path: Path) -> None:
    async with house(tmp_path) as place:
        place.config.write_text(place.config.read_text().replace(f"{tmp_path}/state", "state"))
        process = await place.start()
        try:
            await place.until("energy/home/inverter/battery_soc_pct", lambda v: float(v) > 50)
            code, said = await online(place.config)
            assert code == 0, said
            assert re.search(
                rf"ok +gateway: it runs \(process \d+, configuration {place.config}", said
            )
            answer = await place.command("battery", "hold")
            assert answer["status"] == "ok", answer
        finally:
            process.send_signal(signal.SIGTERM)
        log = await ended(process)
    assert process.returncode == 0, log
    assert "is lost" not in log


async def test_the_page_opens_when_its_port_is_free_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gateway.agent import compose  # noqa: PLC0415 - what is changed is its pause

    monkeypatch.setattr(compose, "PAGE_AGAIN_S", 0.02)
    before = socket.create_server(("127.0.0.1", 0))
    config = written(tmp_path, f"[dashboard]\nport = {before.getsockname()[1]}\n")
    settings = load_settings(config).model_copy(update={"state_dir": tmp_path / "state"})
    agent = Agent(settings, WallClock(), lambda _: None)
    ready = asyncio.Event()
    async with asyncio.timeout(HANG_S), asyncio.TaskGroup() as group:
        running = group.create_task(agent.run(ready.set))
        await ready.wait()
        before.close()
        while True:
            try:
                _, writer = await asyncio.open_connection(*before_address(settings.dashboard.port))
            except OSError:
                await asyncio.sleep(0.02)
                continue
            writer.write(b"GET / HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n")
            assert b"200" in await _.readline()
            writer.close()
            break
        running.cancel()


def before_address(port: int) -> tuple[str, int]:
    return "127.0.0.1", port


def service(folder: Path, monkeypatch: pytest.MonkeyPatch, unit: Callable[[str], str]) -> Path:
    """A machine with the service installed: its configuration, its unit, its store of credentials."""
    config, store = folder / "etc" / "gateway.toml", folder / "credstore"
    config.parent.mkdir()
    store.mkdir(mode=0o700)
    installed = folder / "energy-gateway.service"
    installed.write_text(unit(UNIT.read_text().replace("/etc/credstore", str(store))))
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    monkeypatch.setattr(paths, "SYSTEM", config)
    monkeypatch.setattr(credstore, "UNITS", (installed,))
    monkeypatch.setattr(credstore, "DROP_INS", folder / "drop-ins")
    monkeypatch.setattr(credstore, "STORES", (store,))
    return config


SERVICE = (
    DEVICE
    + """
[dashboard]
host = "0.0.0.0"
port = 0

[[price_feed]]
name = "spot"
provider = "tibber"
"""
    + TARIFF
)


def test_the_readme_s_password_works_for_the_service_and_check_knows_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hash in root's home is not for the service; where the unit looks, it is, and so is a feed's key."""
    config = service(tmp_path, monkeypatch, lambda unit: unit)
    config.write_text(SERVICE)
    code, said = offline(config)
    assert code == 1
    assert "dashboard.host = '0.0.0.0' is reachable by others" in said
    assert "price_feed 'spot'" in said
    file = tmp_path / "credstore" / "energy-gateway.dashboard_password"
    made = CliRunner().invoke(make_app("gateway.cli", ""), ["password", str(file)], input="house of cards\n" * 2)  # fmt: skip
    assert made.exit_code == 0, made.output
    feeds = tmp_path / "credstore" / "energy-gateway.feed"
    feeds.mkdir()
    (feeds / "spot").write_text("a token\n")
    code, said = offline(config)
    assert code == 0, said
    config.write_text(SERVICE.replace("port = 0", f'port = 0\npassword_file = "{file}"'))
    code, said = offline(config)
    assert code == 1
    assert "the service runs as a user of its own and cannot read it: sudo install -Dm 600" in said


def test_a_drop_in_of_the_owner_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = service(tmp_path, monkeypatch, lambda unit: unit)
    config.write_text(DEVICE + '[[price_feed]]\nname = "spot"\nprovider = "tibber"\n' + TARIFF)
    assert offline(config)[0] == 1
    (tmp_path / "drop-ins").mkdir()
    (tmp_path / "key").write_text("a token\n")
    (tmp_path / "drop-ins" / "key.conf").write_text(
        f"[Service]\nLoadCredential=feed_spot:{tmp_path}/key\n"
    )
    assert offline(config)[0] == 0
