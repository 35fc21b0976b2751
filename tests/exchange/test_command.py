"""The command line of the exchange: bad input is one clear line."""

from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.cli import make_app
from gateway.clock import SimClock
from gateway.errors import ConfigError
from simulators.exchange import ExchangeHandle
from tests.exchange.conftest import START, Wire, play

APP = make_app("simulators.cli", "x")


@pytest.mark.parametrize(
    ("options", "wrong"),
    [
        (["--start", "nonsense"], "--start is 'nonsense'"),
        (["--start", "2026-06-01T00:00:00"], "write a UTC time like 2026-06-01T06:00:00Z"),
        (["--insecure", "--host", "0.0.0.0"], "loopback only"),  # noqa: S104 - to be refused
        (["--data", "none.csv"], "none.csv"),
        (["--roadmap", "none.csv"], "none.csv"),
        (["--insecure", "--host", "203.0.113.1"], "loopback only"),
    ],
)
def test_bad_input(tmp_path: Path, options: list[str], wrong: str) -> None:
    command = ["exchange", "--port", "0", "--state", str(tmp_path / "state"), *options]
    result = CliRunner().invoke(APP, command)
    assert isinstance(result.exception, ConfigError), result.output
    assert wrong in str(result.exception)
    assert "\n" not in str(result.exception)


def test_another_time_line_is_refused(tmp_path: Path) -> None:
    async def story(wire: Wire, clock: SimClock, handle: ExchangeHandle) -> None:
        await clock.sleep(6 * 3600)

    play(tmp_path, story)
    with pytest.raises(BaseExceptionGroup) as caught:
        play(tmp_path, story)
    assert "begin later or use another folder" in str(caught.value.exceptions[0])
    play(tmp_path, story, start=START + timedelta(hours=6))


def test_the_fleet_page_needs_an_exchange(tmp_path: Path) -> None:
    result = CliRunner().invoke(
        make_app("simulators.cli", "x"), ["fleet", "--state", str(tmp_path)]
    )
    assert isinstance(result.exception, ConfigError)
    assert "start `energy-sim exchange --state" in str(result.exception)
