"""Scenario files: what is right is taken, what is wrong is said with file, key and what would be right."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.errors import ConfigError
from simulators.network.assumptions import listed
from simulators.network.scenario import Scenario, in_year
from simulators.network.scenario_file import load_scenario


def write(folder: Path, text: str) -> Path:
    path = folder / "case.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_changes_what_it_names(tmp_path: Path) -> None:
    path = write(
        tmp_path, "[night_plan]\nbegins = 0\n[market]\nsolar_gw = { 2023 = 4.0, 2030 = 20.0 }\n"
    )
    found = load_scenario(path)
    assert found.night_plan.begins == 0
    assert in_year(found.market.solar_gw, 2023) == 4.0
    assert found.homes == Scenario().homes


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[homes]\nwholesale_shar = 1", ["homes.wholesale_shar", "did you mean 'wholesale_share'"]),
        (
            "[homes]\npv_share = 1.5",
            ["homes.pv_share", "less than or equal to 1", "1.5", "default 0.6"],
        ),
        ("[homes]\npv_share = 'half'", ["homes.pv_share", "number", "'half'"]),
        ("[homes]\nwholesale_share = 0.9", ["homes", "wholesale_share + night_share is over 1"]),
        ("[data_centre]\nhistory = 'bigger'", ["data_centre", "'as announced'"]),
        ("[hombes]\n", ["hombes", "did you mean 'homes'"]),
        ("[market]\nwind_gw = { soon = 3 }", ["market.wind_gw.soon", "integer"]),
        ("[switches]\nnacs = 'perhaps'", ["switches.nacs", "'perhaps'"]),
        ("homes = ", ["not valid TOML"]),
    ],
)
def test_a_mistake_is_said(tmp_path: Path, text: str, words: list[str]) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ConfigError) as error:
        load_scenario(path)
    assert str(path) in str(error.value)
    for word in words:
        assert word in str(error.value)


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_scenario(tmp_path / "none.toml")


def test_every_assumption_has_a_unit_and_a_source() -> None:
    rows = listed(Scenario())
    assert len(rows) > 80
    for row in rows:
        assert row["unit"], row
        assert row["source"], row
