"""Chargers that dial in by OCPP 1.6 and 2.0.1: read and steered by the guard over Modbus.

The charger is the client side of the library ``ocpp`` (`tests/bridge/ocpp_charger.py`), which checks each of our messages against the
standard's schemas; a client that nobody here wrote connects in `test_a_client_of_another_project`.
What they do wrong is in `test_ocpp_faults.py`.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import sys
from pathlib import Path

import aiohttp
import pytest

from gateway.bridge.ocpp import session as sessions
from gateway.bridge.serve import Bridge
from gateway.config.agent_settings import Mqtt
from gateway.config.device_settings import DeviceSettings
from gateway.domain.control import Control
from gateway.errors import ConfigError, DeviceError
from tests.bridge.ocpp_charger import MOST_A, PASSWORD, Plug, dialling
from tests.bridge.ocpp_home import BOTH, SAFE_A, home, refused
from tests.certificates import Authority
from tests.devices.conftest import HandClock
from tests.waiting import HANG_S, eventually


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "LOOK_S", 0.01)


@BOTH
async def test_a_day_of_a_car(tmp_path: Path, version: str) -> None:
    """Plugged in, started without a card, measured, steered, paused, ended."""
    async with home(tmp_path) as here:
        assert (await here.read()).get("charger_state") is None
        plug = Plug(here.clock.now)
        async with dialling(here.port, version, plug) as charger:
            answer = await charger.boot()
            assert answer.status == "Accepted"
            await charger.status("Available")
            await here.until("charger_state", "idle")
            here.clock.seconds += 600  # who it is is asked again now and then
            await here.read()
            assert here.guard.identity.model == "Wall 11"
            assert (here.guard.identity.serial, here.guard.identity.version) == ("A-1234", "1.2.3")
            await charger.status("Preparing")
            await here.until("charger_state", "plugged")
            await eventually(lambda: len(plug.started) == 1, "it is started without a card")
            await charger.begin()
            await charger.meter(7360)
            plug.energy_wh = 1500
            await charger.meter(7360)
            got = await here.read()
            assert got["charger_state"] == "charging"
            assert got["charger_power_w"] == 7360
            assert got["charger_energy_wh"] == 1500
            assert got["charger_session_wh"] == 500
            await here.guard.hold(Control.CHARGE_CURRENT, 10)
            await eventually(lambda: plug.amps == 10)
            await here.guard.hold(Control.CHARGE_CURRENT, 0)
            await eventually(lambda: plug.amps == 0)
            await here.guard.hold(Control.CHARGE_CURRENT, 13.5)
            await eventually(lambda: plug.amps == 13.5)
            await charger.end()
            await here.until("charger_state", "plugged")
            await charger.status("Available")
            await here.until("charger_state", "idle")
            assert (await here.read())["charger_power_w"] == 0
            assert any("Power.Active.Import" in v for v in plug.sampled.values())


@BOTH
async def test_who_dies_leaves_the_current_that_the_fuse_bears(
    tmp_path: Path, version: str
) -> None:
    """The lease: nothing renewed, the charger falls back by itself; let go in peace, nothing of ours stays in it."""
    async with home(tmp_path) as here:
        plug = Plug(here.clock.now)
        async with dialling(here.port, version, plug) as charger:
            await charger.boot()
            await charger.begin()
            await here.read()
            await here.guard.hold(Control.CHARGE_CURRENT, 16)
            await eventually(lambda: plug.amps == 16)
            here.clock.seconds += 61  # the guard is dead: nobody renews
            assert plug.amps == SAFE_A
            await here.guard.hold(Control.CHARGE_CURRENT, 16)
            await eventually(lambda: plug.amps == 16)
            released = await here.guard.release()
            assert released.neutral
            await eventually(lambda: plug.amps == MOST_A and not plug.profiles)


@BOTH
@pytest.mark.parametrize("says", [True, False])
async def test_a_gateway_started_anew_asks_who_it_is(
    tmp_path: Path, version: str, says: bool
) -> None:
    """It comes back without a boot: else its proof would not hold until somebody switches it off and on."""
    async with home(tmp_path) as here:
        plug = Plug(here.clock.now, says_who=says, transaction=77 if version == "1.6" else "tx-77")
        async with dialling(here.port, version, plug):
            assert here.bridge.dialled is not None
            box = here.bridge.dialled.chargers["car"]
            await eventually(lambda: box.greeted and box.unknown != says)
            await here.look_again()
            found = here.guard.identity
            assert (found.serial, found.version) == (("A-1234", "1.2.3") if says else ("car", ""))


@BOTH
async def test_the_charger_is_gone(tmp_path: Path, version: str) -> None:
    async with home(tmp_path) as here:
        plug = Plug(here.clock.now)
        async with dialling(here.port, version, plug) as charger:
            await charger.boot()
            await charger.status("Available")
            await here.until("charger_state", "idle")
        assert here.bridge.dialled is not None
        box = here.bridge.dialled.chargers["car"]
        await eventually(lambda: not box.connected)
        assert (await here.read())["charger_state"] == "idle"  # it may come back at once
        here.clock.seconds += 31
        assert (await here.read())["charger_state"] is None
        with pytest.raises(DeviceError, match="not connected"):
            await here.guard.hold(Control.CHARGE_CURRENT, 10)


async def test_cards(tmp_path: Path) -> None:
    """Where cards are named, others do not charge."""
    async with home(tmp_path, id_tags=["04AABB"], start=False) as here:
        plug = Plug(here.clock.now)
        async with dialling(here.port, "1.6", plug) as charger:
            await charger.boot()
            await charger.status("Preparing")
            assert (await charger.begin("STRANGER")).id_tag_info["status"] == "Invalid"
            assert (await here.read())["charger_state"] == "plugged"
            assert (await charger.begin("04aabb")).id_tag_info["status"] == "Accepted"
            assert not plug.started


async def test_security_profile_2(tmp_path: Path) -> None:
    """TLS with our certificate, and the password inside."""
    authority = Authority(tmp_path)
    cert, key = authority.signed("here")
    async with home(tmp_path, {"cert_file": str(cert), "key_file": str(key)}) as here:
        trusts = ssl.create_default_context(cafile=str(authority.file))
        async with dialling(here.port, "2.0.1", Plug(here.clock.now), ssl=trusts) as charger:
            assert (await charger.boot()).status == "Accepted"
        assert await _plain(here.port) is None


async def _plain(port: int) -> int | None:
    try:
        return await refused(port, "box", PASSWORD, ("ocpp1.6",))
    except aiohttp.ClientError:
        return None


def test_a_charger_without_a_password_is_asked_about(tmp_path: Path) -> None:
    device = DeviceSettings.model_validate({"name": "car", "profile": "ocpp"})
    with pytest.raises(ConfigError, match="device 'car': ocpp: its password is missing"):
        Bridge([device], Mqtt(), HandClock())
    open_door = DeviceSettings.model_validate({"name": "car", "profile": "ocpp", "ocpp": {"without_password": True}})  # fmt: skip
    Bridge([open_door], Mqtt(), HandClock())


async def test_the_plug_is_named_as_the_standard_names_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:  # fmt: skip
    caplog.set_level(logging.INFO)
    async with home(tmp_path) as here, dialling(here.port, "2.0.1", Plug(here.clock.now)) as box:
        await box.boot()
        await eventually(lambda: "car: its plug is NACS (SAE J3400)" in caplog.text)


# The operator's backend


async def test_the_operator_is_told_and_asked(tmp_path: Path) -> None:
    """Another gateway plays the operator's backend: it names the transaction, and its own requests reach the charger."""
    (tmp_path / "theirs").mkdir()
    async with home(tmp_path / "theirs") as operator:
        backend = f"ws://127.0.0.1:{operator.port}/ocpp"
        async with home(tmp_path, backend=backend) as here:
            plug = Plug(here.clock.now)
            async with dialling(here.port, "1.6", plug) as charger:
                assert operator.bridge.dialled is not None
                theirs = operator.bridge.dialled.chargers["car"]
                await eventually(lambda: theirs.connected)
                await charger.boot()
                assert theirs.model == "Wall 11"
                answer = await charger.begin()
                assert theirs.transaction is not None
                assert theirs.transaction.id == answer.transaction_id
                await here.read()
                await here.guard.hold(Control.CHARGE_CURRENT, 14)
                await eventually(lambda: plug.amps == 14)
                await operator.read()
                await operator.guard.hold(Control.CHARGE_CURRENT, 7)
                await eventually(lambda: any(p["limit"] == 7 for p in plug.profiles.values()))


async def test_an_operator_that_is_away_stops_nobody(tmp_path: Path) -> None:
    async with home(tmp_path, backend="ws://127.0.0.1:9/ocpp") as here:
        plug = Plug(here.clock.now)
        async with dialling(here.port, "1.6", plug) as charger:
            assert (await charger.boot()).status == "Accepted"
            assert (await charger.begin()).id_tag_info["status"] == "Accepted"
            await charger.meter(4000)
            assert (await here.read())["charger_power_w"] == 4000


@BOTH
async def test_a_client_of_another_project(tmp_path: Path, version: str) -> None:
    """The connection tester `test-ocpp`: it negotiates the version, boots and beats its heart, and says whether all was right."""
    pytest.importorskip("test_ocpp")
    async with home(tmp_path) as here:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "test_ocpp", *foreign(here.port, version),
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        async with asyncio.timeout(HANG_S):
            said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()


def foreign(port: int, version: str) -> list[str]:
    return [
        f"ws://127.0.0.1:{port}/ocpp",
        "box",
        "--ocpp",
        version,
        "--password",
        PASSWORD,
    ]
