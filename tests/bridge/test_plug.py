"""A plug in front of a boiler: switched over real HTTP by the guard's word, and off by itself whoever dies."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from gateway.bridge.load import sheet_of
from gateway.domain.control import Control
from gateway.errors import ConfigError, DeviceError
from tests.bridge.relay_home import BOILER_W, Home, home
from tests.waiting import eventually


def boiler(tmp_path: Path) -> AbstractAsyncContextManager[Home]:
    return home(tmp_path, "shelly-plug", "heat_power_w", Control.HEAT_POWER, 0.0)


async def test_it_is_switched_on_and_off_and_let_go(tmp_path: Path) -> None:
    async with boiler(tmp_path) as here:
        await here.guard.hold(Control.HEAT_POWER, BOILER_W)
        await here.until(BOILER_W)
        await here.pass_s(130, renew=BOILER_W)
        assert here.relays.on(), "renewed beyond its own timer"
        await here.guard.hold(Control.HEAT_POWER, 0)
        await here.until(0.0)
        await here.guard.hold(Control.HEAT_POWER, BOILER_W)
        await here.until(BOILER_W)
        report = await here.guard.release()
        assert report.neutral, report
        await here.until(0.0)
        here.relays.lit[0] = True  # by hand
        await here.pass_s(30)
        assert here.relays.on(), "nobody steers it now, so a hand may"


async def test_a_guard_that_dies_leaves_it_off(tmp_path: Path) -> None:
    async with boiler(tmp_path) as here:
        await here.guard.hold(Control.HEAT_POWER, BOILER_W)
        await here.until(BOILER_W)
        await here.pass_s(64)
        await eventually(lambda: not here.relays.on())
        assert here.relays.said[-1] == "off", "said by the bridge when the lease had run out"


async def test_a_bridge_that_dies_leaves_it_to_its_own_timer(tmp_path: Path) -> None:
    async with boiler(tmp_path) as here:
        await here.guard.hold(Control.HEAT_POWER, BOILER_W)
        await here.until(BOILER_W)
        here.relays.broken = True  # from now on the bridge can say nothing more to it
        said = len(here.relays.said)
        await here.pass_s(62, renew=None)
        assert not here.relays.on()
        assert len(here.relays.said) == said, "it needed no word"


async def test_what_it_did_not_take_is_said_again(tmp_path: Path) -> None:
    async with boiler(tmp_path) as here:
        await here.guard.hold(Control.HEAT_POWER, BOILER_W)
        await here.until(BOILER_W)
        here.relays.broken = True
        await here.guard.hold(Control.HEAT_POWER, 0)
        await here.pass_s(6)
        here.relays.broken = False
        await here.until(0.0)
        assert here.relays.said[-1] == "off"


async def test_a_plug_that_does_not_answer_is_not_steered(tmp_path: Path) -> None:
    async with boiler(tmp_path) as here:
        here.relays.broken = True
        await here.until(None)
        with pytest.raises(DeviceError):
            await here.guard.hold(Control.HEAT_POWER, BOILER_W)
        assert "on" not in here.relays.said


def test_a_sheet_that_switches_on_without_an_end_is_refused() -> None:
    text = (
        'key = "x"\ntitle = "x"\ntransport = "http"\nsources = []\n'
        '[switch]\non = "/on"\noff = "/off"\n[readings]\nheat_power_w = { at = "p", unit = "W" }\n'
    )
    with pytest.raises(ConfigError, match=r"needs \{seconds\}"):
        sheet_of(text, "x.toml")
