"""A heat pump whose two SG Ready inputs hang on a Shelly's contacts: told over real HTTP, and normal again whoever dies."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from itertools import permutations
from pathlib import Path

import pytest

from gateway.bridge.load import sheet_of
from gateway.domain.control import ChargerAssumptions, Control
from gateway.errors import ConfigError, DeviceError
from gateway.verify.run import Bench, Outcome, verify
from gateway.verify.walk import Limits, NotNow
from tests.bridge.relay_home import Home, home
from tests.waiting import eventually

SG_READY = Control.SG_READY
CONTACTS = {  # of the label: the first blocks, the second encourages, both order
    "blocked": (1, (True, False)),
    "normal": (2, (False, False)),
    "encouraged": (3, (False, True)),
    "ordered": (4, (True, True)),
}
ENCOURAGED = 3


def pump(tmp_path: Path) -> AbstractAsyncContextManager[Home]:
    return home(tmp_path, "shelly-sg-ready", "heat_pump_state", SG_READY, "normal")


async def test_each_state_is_its_contacts_and_let_go_is_normal(tmp_path: Path) -> None:
    async with pump(tmp_path) as here:
        for state in ("encouraged", "ordered", "blocked", "normal", "encouraged"):
            number, contacts = CONTACTS[state]
            await here.guard.hold(SG_READY, number)
            await here.until(state)
            assert here.relays.pair() == contacts
        await here.pass_s(130, renew=ENCOURAGED)
        assert here.relays.pair() == (False, True), "renewed beyond its own timer"
        report = await here.guard.release()
        assert report.neutral, report
        await here.until("normal")
        here.relays.lit[0] = True  # by hand
        await here.pass_s(30)
        assert here.relays.on(0), "nobody steers it now, so a hand may"


async def test_between_two_states_it_is_never_ordered(tmp_path: Path) -> None:
    """Both contacts at once would start a compressor."""
    async with pump(tmp_path) as here:
        for before, after in permutations(("blocked", "normal", "encouraged"), 2):
            for state in (before, after):
                await here.guard.hold(SG_READY, CONTACTS[state][0])
                await here.until(state)
        assert (True, True) not in here.relays.seen


async def test_a_guard_that_dies_leaves_it_normal(tmp_path: Path) -> None:
    async with pump(tmp_path) as here:
        await here.guard.hold(SG_READY, ENCOURAGED)
        await here.until("encouraged")
        await here.pass_s(64)
        await eventually(lambda: here.relays.pair() == (False, False))
        assert here.relays.said[-1] == "off", "said by the bridge when the lease had run out"


@pytest.mark.parametrize("state", ["blocked", "encouraged", "ordered"])
async def test_a_bridge_that_dies_leaves_it_to_the_relays_own_timers(
    state: str, tmp_path: Path
) -> None:
    async with pump(tmp_path) as here:
        await here.guard.hold(SG_READY, CONTACTS[state][0])
        await here.until(state)
        here.relays.broken = True  # from now on the bridge can say nothing more to it
        said = len(here.relays.said)
        await here.pass_s(62)
        assert here.relays.pair() == (False, False)
        assert len(here.relays.said) == said, "it needed no word"


async def test_relays_that_do_not_answer_are_not_steered(tmp_path: Path) -> None:
    async with pump(tmp_path) as here:
        here.relays.broken = True
        await here.until(None)
        with pytest.raises(DeviceError):
            await here.guard.hold(SG_READY, ENCOURAGED)
        assert not here.relays.said


async def verified(here: Home, *, own_word: bool = True) -> Outcome:
    bench = Bench((here.guard,), here.clock, 2.0, Limits(), ChargerAssumptions())
    bench.own_word = own_word
    trying = asyncio.create_task(verify(bench, here.guard, SG_READY, lambda _: None))
    while not trying.done():
        await here.look()
    return await trying


async def test_verify_takes_its_own_word_where_the_owner_lets_it(tmp_path: Path) -> None:
    async with pump(tmp_path) as here:
        with pytest.raises(NotNow, match="look at its own page"):
            await verified(here, own_word=False)
        assert not here.relays.said
        outcome = await verified(here)
        assert (outcome.problem, outcome.own_word) == ("", True)
        assert (True, False) not in here.relays.seen, "it is not blocked for a trial"
        assert (True, True) not in here.relays.seen, "nor ordered"
        await here.until("normal")


async def test_verify_fails_contacts_that_do_not_move(tmp_path: Path) -> None:
    async with pump(tmp_path) as here:
        here.relays.stuck = True
        problem = (await verified(here)).problem
        assert "told to encouraged: state 3 expected, measured state 2" in problem


def test_a_contact_without_an_end_is_refused() -> None:
    text = (
        'key = "x"\ntitle = "x"\ntransport = "http"\nsources = []\n'
        '[[contacts]]\non = "/on?{seconds}"\noff = "/off"\n[[contacts]]\non = "/on"\noff = "/off"\n'
        '[readings.heat_pump_state]\ncases = [{ is = "normal", when = { a = true } }]\n'
    )
    with pytest.raises(ConfigError, match=r"needs \{seconds\}"):
        sheet_of(text, "x.toml")
