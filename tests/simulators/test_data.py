"""Recorded data is read exactly or refused with file, row and reason; prices are repeatable."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.errors import ConfigError
from simulators.data import read_csv
from simulators.prices import SyntheticPrices

HEAD = "start,load_wh,pv_wh,rt_price_per_mwh,da_price_per_mwh"
ROWS = [
    "2024-06-01T06:00:00Z,143,0,17.69,24.57",
    "2024-06-01T06:15:00Z,242,10,-18.33,24.57",
    "2024-06-01T06:30:00Z,341,20,17.85,24.57",
]


def written(tmp_path: Path, *lines: str) -> Path:
    path = tmp_path / "home.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_good_rows_are_read(tmp_path: Path) -> None:
    recording = read_csv(written(tmp_path, HEAD, *ROWS))
    assert recording.start == datetime(2024, 6, 1, 6, tzinfo=UTC)
    assert recording.end == datetime(2024, 6, 1, 6, 45, tzinfo=UTC)
    quarter = recording.start + timedelta(minutes=15)
    assert recording.powers(quarter + timedelta(minutes=7)) == (968, 40)
    assert recording.prices.at(quarter) == (24.57, -18.33)
    assert not recording.prices.covers(recording.end)
    with pytest.raises(ConfigError, match=r"no price for 2024-06-01T06:45:00Z"):
        recording.prices.at(recording.end)
    with pytest.raises(ConfigError, match=r"no data for 2024-06-01T06:45:00Z"):
        recording.powers(recording.end)


def test_noise_keeps_the_energy_of_the_quarter(tmp_path: Path) -> None:
    recording = read_csv(written(tmp_path, HEAD, *ROWS))
    start = recording.start + timedelta(minutes=30)
    slots = [recording.powers(start + timedelta(seconds=10 * i), 5, 0.3) for i in range(90)]
    assert len({load for load, _pv in slots}) > 80
    assert sum(load for load, _pv in slots) / 360 == pytest.approx(341, abs=1e-9)
    assert sum(pv for _load, pv in slots) / 360 == pytest.approx(20, abs=1e-9)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ((HEAD.replace("pv_wh", "solar"), *ROWS), "row 1: no column pv_wh"),
        ((HEAD + ",pv_wh", *ROWS), "row 1: a column appears twice"),
        ((HEAD, ROWS[0], ROWS[2]), "row 3: rows are missing before 2024-06-01T06:30:00Z"),
        ((HEAD, ROWS[0], ROWS[0]), "row 3: 2024-06-01T06:00:00Z appears twice"),
        ((HEAD, ROWS[1], ROWS[0]), "row 3: 2024-06-01T06:00:00Z is out of order"),
        ((HEAD, ROWS[0].replace("143", "nan")), "row 2: load_wh is 'nan'"),
        ((HEAD, ROWS[0].replace("17.69", "inf")), "row 2: rt_price_per_mwh is 'inf'"),
        ((HEAD, ROWS[0].replace("143", "")), "row 2: load_wh is ''"),
        ((HEAD, ROWS[0].replace("143", "-1")), "row 2: load_wh is -1; it cannot be below 0"),
        ((HEAD, ROWS[0].replace("143", "abc")), "row 2: load_wh is 'abc'; a number"),
        ((HEAD, ROWS[0].replace("06:00:00Z", "06:00:00")), "row 2: start is"),
        ((HEAD, ROWS[0].replace("06:00", "06:07")), "row 2: .* is not the start of a quarter"),
        ((HEAD, ROWS[0] + ",7"), "row 2: has more fields"),
        ((HEAD, "2024-06-01T06:00:00Z,1"), "row 2: pv_wh is None"),
        ((HEAD,), "has no rows"),
        (("",), "row 1: no column start"),
    ],
)
def test_bad_files_are_refused_by_row(tmp_path: Path, lines: tuple[str, ...], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        read_csv(written(tmp_path, *lines))
    assert "home.csv" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_files_that_are_no_csv_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"missing\.csv: cannot be read"):
        read_csv(tmp_path / "missing.csv")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_csv(tmp_path)
    binary = tmp_path / "binary.csv"
    binary.write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(ConfigError, match="UTF-8"):
        read_csv(binary)


def test_the_real_recording_is_whole(real_csv: Path) -> None:
    recording = read_csv(real_csv)
    assert len(recording.load_wh) == 14_688
    assert recording.end - recording.start == timedelta(days=153)


def test_synthetic_prices_have_the_shape_of_the_market() -> None:
    start = datetime(2026, 6, 1, 6, tzinfo=UTC)
    times = [start + timedelta(minutes=15 * i) for i in range(96 * 60)]
    series, again, other = SyntheticPrices(1), SyntheticPrices(1), SyntheticPrices(2)
    rows = [series.at(time) for time in times]
    assert rows[::-1] == [again.at(time) for time in reversed(times)]
    assert rows != [other.at(time) for time in times]
    day_ahead: dict[int, list[float]] = {}
    for time, row in zip(times, rows, strict=True):
        day_ahead.setdefault((time.hour - 6) % 24, []).append(row.day_ahead_per_mwh)
    mean = {hour: sum(values) / len(values) for hour, values in day_ahead.items()}
    assert mean[19] > 2 * mean[12]
    real_time = [row.real_time_per_mwh for row in rows]
    assert 0.005 < sum(price < 0 for price in real_time) / len(real_time) < 0.1
    assert max(real_time) > 300
    assert 20 < sum(real_time) / len(real_time) < 45
