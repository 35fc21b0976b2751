"""Faults of chargers that dial in: whatever they do wrong, they are read and steered, or it is said that they are not."""

from __future__ import annotations

import logging
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.bridge.ocpp import session as sessions
from gateway.domain.control import Control
from gateway.errors import DeviceError
from tests.bridge.ocpp_charger import PASSWORD, Plug, dialling
from tests.bridge.ocpp_home import BOTH, SAFE_A, home, refused
from tests.waiting import eventually


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "LOOK_S", 0.01)


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
async def test_fault_values_of_a_transaction_come_after_its_end(
    tmp_path: Path, version: str, caplog: pytest.LogCaptureFixture
) -> None:
    """They bring no transaction back, for which no limit would be taken; nor does its start, told again."""
    async with home(tmp_path) as here:
        plug = Plug(here.clock.now)
        async with dialling(here.port, version, plug) as charger:
            await charger.boot()
            await charger.begin()
            await charger.meter(2000)
            over = plug.transaction
            await charger.end()
            await charger.meter(1900, transaction=over)
            assert here.bridge.dialled is not None
            box = here.bridge.dialled.chargers["car"]
            assert (box.transaction, box.state) == (None, "plugged")
            await here.look_again()
            await here.guard.hold(Control.CHARGE_CURRENT, 12)
            here.clock.seconds += 5
            await charger.begin()
            assert box.transaction is not None
            await eventually(lambda: plug.amps == 12)
    assert "takes no charging current" not in caplog.text


@BOTH
async def test_fault_an_end_comes_after_the_next_start(tmp_path: Path, version: str) -> None:
    async with home(tmp_path) as here:
        plug = Plug(here.clock.now)
        async with dialling(here.port, version, plug) as charger:
            await charger.boot()
            await charger.begin()
            old = plug.transaction
            here.clock.seconds += 5
            await charger.begin()
            await charger.meter(7000)
            await charger.end(transaction=old)
            got = await here.read()
            assert (got["charger_state"], got["charger_power_w"]) == ("charging", 7000)


@pytest.mark.parametrize(
    ("watts", "power_w"),
    [([3680, 3680, "NaN"], None), ([3680, "", 3680], None), ([3680, -3000, 0], None), ([1e9, 0, 0], None),
     ([3680, -0.4, 0], 3680), ([3680, 3680, 3680], 11040)],
)  # fmt: skip
async def test_fault_one_phase_is_nonsense(
    tmp_path: Path, watts: list[object], power_w: float | None
) -> None:
    """Two phases of three would pass for all of it, and the fuse for less loaded than it is."""
    async with home(tmp_path) as here, dialling(here.port, "1.6", Plug(here.clock.now)) as charger:
        await charger.boot()
        await charger.begin()
        await charger.meter(watts)
        assert (await here.read())["charger_power_w"] == power_w


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
