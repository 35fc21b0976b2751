"""Devices without Modbus over real HTTP, through the bridge's real Modbus, to what the guard makes of them."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from gateway.bridge.layout import LAYOUT, address
from gateway.bridge.load import asked_of, sheet, sheet_of
from gateway.config.bridged import sheet_files
from gateway.devices.catalogue import all_profiles
from gateway.devices.device import ModbusDevice
from gateway.domain.readings import Quality, Reading
from gateway.errors import ConfigError, DeviceError
from tests.bridge.answers import ANSWERS
from tests.bridge.conftest import Device, PatientClock, answering, bridged, device_settings


async def polled(one: ModbusDevice) -> dict[str, Reading]:
    return {r.metric: r for r in await one.poll()}


async def until_asked(device: Device, times: int) -> None:
    async with asyncio.timeout(20):
        while device.asked < times:
            await asyncio.sleep(0.005)


def test_every_sheet_has_an_answer_to_read() -> None:
    assert set(ANSWERS) == {k for k in sheet_files() if sheet(k).transport == "http"}


@pytest.mark.parametrize("key", ANSWERS)
async def test_it_is_read_right(key: str, standing: PatientClock, tmp_path: Path) -> None:
    answer = ANSWERS[key]
    device = Device(answer.replies, answer.token)
    async with answering(device) as port:
        settings = device_settings(key, port, tmp_path, values=answer.values, token=answer.token)
        async with bridged(settings, standing) as (bridge, one):
            await until_asked(device, len(asked_of(settings)))
            await bridge.heard(20)
            await asyncio.sleep(0.05)  # the last of several answers is taken
            got = await polled(one)
    good = {m: r.value for m, r in got.items() if r.quality is Quality.GOOD}
    assert good == pytest.approx(answer.readings)
    assert {m: got[m].quality for m in answer.absent} == dict.fromkeys(
        answer.absent, Quality.ABSENT
    )
    assert one.identity.serial == "thing"
    assert not one.controls


async def test_what_grows_old_is_not_known_and_never_a_number(
    standing: PatientClock, tmp_path: Path
) -> None:
    answer = ANSWERS["homewizard-p1"]
    device = Device(dict(answer.replies))
    async with (
        answering(device) as port,
        bridged(device_settings("homewizard-p1", port, tmp_path), standing) as (bridge, one),
    ):
        await bridge.heard(20)
        assert (await polled(one))["grid_power_w"].value == -543
        for status, body in ((500, b""), (200, b"<html>"), (200, b'{"active_power_w": true}')):
            device.status, device.body = status, body
            asked = device.asked
            standing.seconds += 21
            await until_asked(device, asked + 1)
            await asyncio.sleep(0.05)
            got = await polled(one)
            assert got["grid_power_w"].quality is Quality.BAD
            assert got["grid_power_w"].value is None
        device.status, device.body = 200, b""
        asked = device.asked
        standing.seconds += 3
        await until_asked(device, asked + 1)
        await asyncio.sleep(0.05)
        assert (await polled(one))["grid_power_w"].value == -543


async def test_a_token_that_goes_away_is_one_devices_trouble(
    standing: PatientClock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Its file was moved while the bridge ran: said, and read again when it is back."""
    key = next(key for key, answer in ANSWERS.items() if answer.token)
    answer = ANSWERS[key]
    device = Device(answer.replies, answer.token)
    async with answering(device) as port:
        settings = device_settings(key, port, tmp_path, values=answer.values, token=answer.token)
        async with bridged(settings, standing):
            await until_asked(device, len(asked_of(settings)))
            file = tmp_path / "token"
            file.rename(tmp_path / "moved")
            while "token_file" not in caplog.text:  # by the bridge's own clock it asks again soon
                standing.seconds += 1
                await asyncio.sleep(0.01)
            asked = device.asked
            (tmp_path / "moved").rename(file)
            standing.seconds += 61
            await until_asked(device, asked + len(asked_of(settings)))  # with the token again


async def test_a_bridge_that_is_gone_is_a_device_that_is_lost(
    standing: PatientClock, tmp_path: Path
) -> None:
    device = Device(dict(ANSWERS["homewizard-p1"].replies))
    async with (
        answering(device) as port,
        bridged(device_settings("homewizard-p1", port, tmp_path), standing) as (bridge, one),
    ):
        await bridge.heard(20)
        await one.poll()
        await bridge.server.close()
        with pytest.raises(DeviceError):
            await one.poll()


async def test_what_home_assistant_has_not_heard_of_for_long_is_not_known(
    standing: PatientClock, tmp_path: Path
) -> None:
    answer = ANSWERS["home-assistant"]
    replies = json.loads(json.dumps(answer.replies))
    replies["/api/states/sensor.grid"]["last_reported"] = "2026-06-01T11:58:00+00:00"
    replies["/api/states/sensor.bought"]["attributes"]["unit_of_measurement"] = "m3"
    device = Device(replies, answer.token)
    async with answering(device) as port:
        settings = device_settings(
            "home-assistant", port, tmp_path, values=answer.values, token=answer.token
        )
        async with bridged(settings, standing) as (_, one):
            await until_asked(device, 2)
            await asyncio.sleep(0.05)
            got = await polled(one)
    assert got["grid_power_w"].quality is Quality.BAD
    assert got["grid_import_wh"].quality is Quality.BAD


def test_both_sides_say_the_same_of_the_registers() -> None:
    """The guard's sheets and the bridge's layout: one place a metric, and none beside them."""
    for key, profile in all_profiles().items():
        if key.startswith("bridge-"):
            assert profile.source
            for output in profile.source.outputs:
                metric = "pv_power_w" if output.metric == "ac_power_w" else output.metric
                assert output.fields[0].address == address(metric), output.metric
                assert metric in LAYOUT


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"grid_power_w": "/a#b kWh"}, "none of W"),
        ({"grid_pwer_w": "/a#b W"}, "grid_power_w"),
        ({"inverter_state": "/a#b"}, "cannot tell"),
    ],
)
def test_what_cannot_be_meant_is_told(values: dict[str, str], says: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=says):
        asked_of(device_settings("http-json", 80, tmp_path, values=values))


def test_a_sheet_that_is_wrong_is_told_with_its_name() -> None:
    good = sheet_files()["tasmota-pv"].read_text(encoding="utf-8")
    for old, new, says in (
        ('unit = "kWh"', 'unit = "kW"', "none of Wh"),
        ('transport = "http"', 'transport = "udp"', "transport"),
        ("pv_energy_wh", "pv_energie_wh", "pv_energy_wh"),
    ):
        with pytest.raises(ConfigError, match=rf"some\.toml.*{says}"):
            sheet_of(good.replace(old, new), "some.toml")
