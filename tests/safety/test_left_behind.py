"""Which devices a changed configuration leaves behind, and whose words are whose."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from gateway.config.guard import DeviceConfig
from gateway.domain.control import Control
from gateway.guard.intents import GuardFile
from gateway.guard.left_behind import left_behind
from tests.control.homes import NOON

ONE = DeviceConfig("one", "goodwe-et", "a.lan")
TWO = DeviceConfig("two", "goodwe-et", "b.lan")
BOTH = frozenset({"one", "two"})


def test_nothing_is_left_behind_where_nothing_is_owed_or_changed() -> None:
    assert left_behind((ONE, TWO), (ONE, TWO), BOTH).devices == ()
    assert left_behind((ONE, TWO), (TWO,), frozenset()).devices == ()
    assert left_behind((ONE,), (replace(ONE, profile="auto", unit=247),), BOTH).devices == ()


def test_two_that_change_names_change_their_words(tmp_path: Path) -> None:
    """The inverter "one" was once put back to what had stood in the other."""
    file = GuardFile(tmp_path / "guard.json")
    file.remember("one", Control.BATTERY_POWER, '{"1": 1}', NOON)
    file.remember("two", Control.BATTERY_POWER, '{"1": 2}', NOON)
    now = (replace(ONE, name="two"), replace(TWO, name="one"))
    left = left_behind((ONE, TWO), now, file.owing)
    file.rename(left.renamed)
    assert left.devices == ()
    assert file.pending("two") == {Control.BATTERY_POWER: '{"1": 1}'}
    assert GuardFile(tmp_path / "guard.json").pending("one") == {Control.BATTERY_POWER: '{"1": 2}'}


def test_one_whose_name_another_took_is_released_under_a_name_of_its_own() -> None:
    other = replace(ONE, host="c.lan")
    left = left_behind((ONE,), (other,), BOTH)
    assert left.devices == (replace(ONE, name="one (before)"),)
    assert left.renamed == {"one": "one (before)"}


def test_one_that_is_read_only_now_is_released_once_more() -> None:
    left = left_behind((ONE,), (replace(ONE, steer="never"),), BOTH)
    assert left.devices == (ONE,)
    assert left.renamed == {}
