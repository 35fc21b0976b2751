"""Bad input: one clear line with file and row, and nothing guessed."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.backtest.data import read_series
from gateway.errors import ConfigError

HEADER = "start,load_wh,pv_wh,rt_price_per_mwh,da_price_per_mwh"
ROWS = [f"2024-06-01T06:{m:02d}:00Z,100,0,20.5,21" for m in (0, 15, 30, 45)]


def read(tmp_path: Path, rows: list[str], header: str = HEADER) -> str:
    path = tmp_path / "home.csv"
    path.write_text("\n".join([header, *rows]) + "\n")
    with pytest.raises(ConfigError) as error:
        read_series(path)
    text = str(error.value)
    assert "\n" not in text
    assert "home.csv" in text
    return text


@pytest.mark.parametrize(
    ("row", "value", "says"),
    [
        (2, "2024-06-01T06:30:00Z,nan,0,20,21", "row 4: load_wh is 'nan'"),
        (2, "2024-06-01T06:30:00Z,100,,20,21", "row 4: pv_wh is ''"),
        (2, "2024-06-01T06:30:00Z,100,0,inf,21", "row 4: rt_price_per_mwh is 'inf'"),
        (2, "2024-06-01T06:30:00Z,100,0,20", "row 4: da_price_per_mwh is ''"),
        (1, "2024-06-01T06:15:00Z,-3,0,20,21", "row 3: load_wh is -3; energy cannot be negative"),
        (1, "2024-06-01T06:15:00,1,0,20,21", "row 3: start '2024-06-01T06:15:00' is no UTC time"),
        (1, "2024-06-01T06:07:00Z,1,0,20,21", "row 3: start 2024-06-01T06:07:00Z is not on the"),
        (1, "2024-06-01T07:00:00Z,1,0,20,21", "row 3: rows are 60 minutes apart; bring them to 15"),
        (1, "2024-06-01T06:05:00Z,1,0,20,21", "row 3: rows are 5 minutes apart; bring them to 15"),
        (
            0,
            "0001-01-01T00:00:00Z,1,0,20,21",
            "row 2: start 0001-01-01T00:00:00Z lies in the year 1",
        ),
        (2, "2024-06-01T06:30:00Z,100,0,20,5,21", "row 4: has 6 cells, the header 5; decimals are"),
        (2, "2024-06-01T06:30:00Z,1_00,0,20,21", "row 4: load_wh is '1_00'"),
        (2, '"' + "2" * 200_000 + '"', "row 4: is no CSV: field larger than"),
        (2, '"' + "2" * 200 + '"', "row 4: start '" + "2" * 40 + "...' is no UTC time"),
        (1, "2024-06-01T06:00:00Z,1,0,20,21", "row 3: start 2024-06-01T06:00:00Z stands twice"),
        (3, "2024-06-01T05:45:00Z,1,0,20,21", "row 5: start 2024-06-01T05:45:00Z is earlier"),
        (3, "2024-06-01T07:00:00Z,1,0,20,21", "row 5: gap: 2024-06-01T06:45:00Z is missing"),
        (2, "2024-06-01T06:30:00Z,1,0,20500,21", "row 4: rt_price_per_mwh is 20500 per MWh: is"),
        (2, "2024-06-01T06:30:00Z,99000,0,20,21", "row 4: load_wh is 99000 Wh per quarter-hour"),
    ],
)
def test_a_bad_row_is_named(tmp_path: Path, row: int, value: str, says: str) -> None:
    rows = [*ROWS]
    rows[row] = value
    assert says in read(tmp_path, rows)


def test_all_prices_a_thousand_times_too_high_or_low_are_asked_about(tmp_path: Path) -> None:
    high = [r.replace("20.5,21", "8500,9000") for r in ROWS]
    assert "1000 times too high?" in read(tmp_path, high)
    start = "2024-06-{:02d}T{:02d}:{:02d}:00Z,100,0,0.0205,0.021"
    low = [start.format(1 + i // 96, i // 4 % 24, i % 4 * 15) for i in range(96)]
    assert "are these prices per kWh?" in read(tmp_path, low)


def test_asked_and_answered(tmp_path: Path) -> None:
    path = tmp_path / "home.csv"
    path.write_text("\n".join([HEADER, *(r.replace("20.5", "25000") for r in ROWS)]))
    assert read_series(path, accept_units=True).rt[0] == 25_000


def test_missing_column_empty_file_and_no_file(tmp_path: Path) -> None:
    said = read(tmp_path, ROWS, HEADER.replace("pv_wh", "solar"))
    assert "row 1: column 'pv_wh' is missing; the header must be" in said
    assert "no data rows" in read(tmp_path, [])
    with pytest.raises(ConfigError, match=r"absent.csv: cannot be read: No such file"):
        read_series(tmp_path / "absent.csv")


def test_kilowatt_hours_and_a_column_twice_are_asked_about(tmp_path: Path) -> None:
    start = "2024-06-{:02d}T{:02d}:{:02d}:00Z,0.2,0,20,21"
    small = [start.format(1 + i // 96, i // 4 % 24, i % 4 * 15) for i in range(96)]
    assert "load_wh is never above 0.2 Wh: are these kWh?" in read(tmp_path, small)
    twice = read(tmp_path, [r + ",7" for r in ROWS], HEADER + ",load_wh")
    assert "row 1: column 'load_wh' stands twice" in twice


def test_empty_lines_do_not_shift_the_row_that_is_named(tmp_path: Path) -> None:
    rows = [ROWS[0], "", "  ", ROWS[1], ROWS[2].replace("20.5", "25000"), ROWS[3]]
    assert "row 6: rt_price_per_mwh is 25000" in read(tmp_path, rows)
