"""Chargers that dial in by OCPP 1.6 and 2.0.1: read and steered by the guard over Modbus, whatever they do wrong.

The charger is the client side of the library ``ocpp`` (`tests/bridge/ocpp_charger.py`), which checks each of our messages against the
standard's schemas; a client that nobody here wrote connects in `test_a_client_of_another_project`.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.bridge.ocpp import session as sessions
from gateway.bridge.serve import Bridge
from gateway.config.agent_settings import Mqtt
from gateway.config.device_settings import DeviceSettings
from gateway.config.home_settings import Ocpp
from gateway.devices.build import build_devices
from gateway.devices.device import ModbusDevice
from gateway.domain.control import Control
from gateway.domain.readings import Quality
from gateway.errors import ConfigError, DeviceError
from tests.bridge.ocpp_charger import MOST_A, PASSWORD, Plug, dialling
from tests.certificates import Authority
from tests.devices.conftest import HandClock, Intents
from tests.waiting import HANG_S, eventually

BOTH = pytest.mark.parametrize("version", ["1.6", "2.0.1"])
SAFE_A = 8.0


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "LOOK_S", 0.01)


@dataclass
class Home:
    clock: HandClock
    bridge: Bridge
    guard: ModbusDevice
    port: int

    async def read(self) -> dict[str, Any]:
        return {
            r.metric: r.value if r.quality is Quality.GOOD else None
            for r in await self.guard.poll()
        }

    async def until(self, metric: str, value: object) -> None:
        async with asyncio.timeout(HANG_S):
            while (await self.read()).get(metric) != value:
                await asyncio.sleep(0.01)


@asynccontextmanager
async def home(
    tmp_path: Path, ocpp: dict[str, Any] | None = None, **own: Any
) -> AsyncIterator[Home]:
    secret = tmp_path / "password"
    secret.write_text(f"{PASSWORD}\n")
    station = {"station": "box", "password_file": str(secret), "safe_current_a": SAFE_A, **own}
    device = DeviceSettings.model_validate({"name": "car", "profile": "ocpp", "ocpp": station, "steer": "always"})  # fmt: skip
    clock = HandClock()
    listens = Ocpp.model_validate({"host": "127.0.0.1", "port": 0, **(ocpp or {})})
    bridge = Bridge([device], Mqtt(), clock, ocpp=listens)
    async with bridge.running(clock) as modbus:
        assert bridge.dialled is not None
        async with asyncio.timeout(HANG_S):
            await bridge.dialled.csms.listening.wait()
        (guard,) = build_devices([device.through_bridge(1, modbus)], Intents(), clock)
        try:
            yield Home(clock, bridge, guard, bridge.dialled.csms.port)
        finally:
            await guard.close()


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


# Ten faults


@BOTH
async def test_fault_reconnect_storm(tmp_path: Path, version: str, caplog: pytest.LogCaptureFixture) -> None:  # fmt: skip
    """It connects again and again, without an end to what was before: the newest counts, the log stays calm."""
    caplog.set_level(logging.INFO)
    async with home(tmp_path) as here:
        plug = Plug(here.clock.now)
        for _ in range(12):
            async with dialling(here.port, version, plug) as charger:
                await charger.boot()
        async with dialling(here.port, version, plug) as old, dialling(here.port, version, plug) as new:  # fmt: skip
            await new.boot()
            await new.status("Preparing")
            await here.until("charger_state", "plugged")
            await eventually(lambda: old.link.socket.closed)
            assert here.bridge.dialled is not None
            assert here.bridge.dialled.chargers["car"].connected
    lost = [r for r in caplog.records if "is lost" in r.getMessage()]
    assert len(lost) <= 2


@BOTH
async def test_fault_clock_off(tmp_path: Path, version: str) -> None:
    """Its clock is two hours behind: limits begin and end in its own time."""
    async with home(tmp_path) as here:
        plug = Plug(here.clock.now, off=timedelta(hours=-2))
        async with dialling(here.port, version, plug) as charger:
            await charger.boot()
            await charger.status("Preparing")
            await charger.begin()
            await charger.meter(3000)
            assert (await here.read())["charger_power_w"] == 3000
            await here.guard.hold(Control.CHARGE_CURRENT, 9)
            await eventually(lambda: plug.amps == 9)
            here.clock.seconds += 61
            assert plug.amps == SAFE_A


async def test_fault_duplicate_transactions(tmp_path: Path) -> None:
    """A start whose answer got lost is told again: it is one transaction with one number."""
    async with home(tmp_path) as here:
        plug = Plug(here.clock.now)
        async with dialling(here.port, "1.6", plug) as charger:
            await charger.boot()
            first = await charger.begin()
            second = await charger.begin()
            assert first.transaction_id == second.transaction_id
            here.clock.seconds += 60
            third = await charger.begin()
            assert third.transaction_id != first.transaction_id


@BOTH
async def test_fault_boot_in_mid_session(tmp_path: Path, version: str) -> None:
    """The gateway is new, the car has charged for an hour: it is read and steered all the same."""
    async with home(tmp_path) as here:
        plug = Plug(here.clock.now, transaction=77 if version == "1.6" else "tx-77")
        async with dialling(here.port, version, plug) as charger:
            await charger.boot()
            if version == "1.6":
                await charger.status("Charging")
            await charger.meter(5000)
            got = await here.read()
            assert (got["charger_state"], got["charger_power_w"]) == ("charging", 5000)
            await here.guard.hold(Control.CHARGE_CURRENT, 11)
            await eventually(lambda: plug.amps == 11)
            plug.energy_wh += 250
            await charger.meter(5000)
            assert (await here.read())["charger_session_wh"] == 250


@BOTH
async def test_fault_offline_transactions_come_late(tmp_path: Path, version: str) -> None:
    """What happened without a connection is answered, and says nothing of now."""
    async with home(tmp_path) as here:
        plug = Plug(here.clock.now)
        async with dialling(here.port, version, plug) as charger:
            await charger.boot()
            await charger.begin()
            await charger.meter(2000)
            await charger.begin(back_s=7200)
            await charger.meter(9000, back_s=5400, transaction=5 if version == "1.6" else "old")
            await charger.end(transaction=5 if version == "1.6" else "old", back_s=3600)
            got = await here.read()
            assert (got["charger_state"], got["charger_power_w"]) == ("charging", 2000)
            await here.guard.hold(Control.CHARGE_CURRENT, 12)
            await eventually(lambda: plug.amps == 12)


@pytest.mark.parametrize("nonsense", ["", "many", "NaN", "inf", "-50", "1e9", "7,4"])
async def test_fault_nonsense_is_measured(tmp_path: Path, nonsense: str) -> None:
    async with home(tmp_path) as here, dialling(here.port, "1.6", Plug(here.clock.now)) as charger:
        await charger.boot()
        await charger.begin()
        await charger.meter(nonsense)
        assert (await here.read())["charger_power_w"] is None
        await charger.meter(2000)
        assert (await here.read())["charger_power_w"] == 2000
        here.clock.seconds += 61
        assert (await here.read())["charger_power_w"] is None  # it stopped telling


@BOTH
async def test_fault_broken_frames(tmp_path: Path, version: str) -> None:
    """No JSON, no list, unknown kinds, wrong types, actions that nobody knows: answered or dropped, and it goes on."""
    frames = (
        "", "{", "[]", "[2]", "null", '"x"', '[2,"1","Heartbeat"]', '[9,"1",{}]', '[2,5,"Heartbeat",{}]', '[3,"x",{}]',
        '[4,"x","GenericError","",{}]', '[2,"1","Heartbeat",[]]', '[2,"2","StatusNotification",{"connectorId":"one"}]',
        '[2,"3","Nonsense",{}]', '[2,"4","BootNotification",null]', "[" * 50_000, '[2,"5","__class__",{}]', '[2,"6",{},{}]',
    )  # fmt: skip
    async with home(tmp_path) as here, dialling(here.port, version, Plug(here.clock.now)) as box:
        for frame in frames:
            await box.link.socket.send_str(frame)
        assert (await box.boot()).status == "Accepted"
        refusals = [text for text in box.link.came if text.startswith("[4,")]
        for unique_id in ("2", "3", "4", "5"):
            assert any(f'[4,"{unique_id}",' in text for text in refusals), refusals


@BOTH
async def test_fault_no_limit_is_taken(tmp_path: Path, version: str, caplog: pytest.LogCaptureFixture) -> None:  # fmt: skip
    """A charger without smart charging is read, and the guard is told that it cannot be steered; later it is tried again."""
    async with home(tmp_path) as here:
        plug = Plug(here.clock.now, takes_profiles=False)
        async with dialling(here.port, version, plug) as charger:
            await charger.boot()
            await charger.begin()
            await here.read()
            await here.guard.hold(Control.CHARGE_CURRENT, 10)
            assert here.bridge.dialled is not None
            box = here.bridge.dialled.chargers["car"]
            await eventually(lambda: not box.takes_profiles)
            with pytest.raises(DeviceError, match=r"takes no current|value not accepted"):
                await here.guard.hold(Control.CHARGE_CURRENT, 11)
            plug.takes_profiles = True
            here.clock.seconds += sessions.AGAIN_S + 1
            await eventually(lambda: box.takes_profiles)
    assert sum("takes no charging current" in r.getMessage() for r in caplog.records) == 1


async def refused(port: int, station: str, password: str | None, protocols: tuple[str, ...]) -> int:
    headers = (
        {} if password is None else {"Authorization": aiohttp.encode_basic_auth(station, password)}
    )
    async with aiohttp.ClientSession(headers=headers) as http:
        try:
            async with http.ws_connect(f"ws://127.0.0.1:{port}/{station}", protocols=protocols):
                return 101
        except aiohttp.WSServerHandshakeError as error:
            return error.status


async def test_fault_strangers_dial_in(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A wrong password, none, another station, another language: nobody gets in, and the log stays short."""
    async with home(tmp_path) as here:
        for _ in range(10):
            assert await refused(here.port, "box", "guess", ("ocpp1.6",)) == 401
        assert await refused(here.port, "box", None, ("ocpp1.6",)) == 401
        assert await refused(here.port, "nobody", "guess", ("ocpp1.6",)) == 404
        right = PASSWORD
        assert await refused(here.port, "box", right, ("ocpp1.5",)) == 400
        assert await refused(here.port, "box", right, ("ocpp1.6",)) == 101
    assert len([r for r in caplog.records if r.levelno >= logging.WARNING]) <= 6


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
