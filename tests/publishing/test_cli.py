"""energy-gateway history, as a person calls it."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.cli import make_app
from gateway.errors import ConfigError
from gateway.store.history import History
from tests.publishing.homes import snapshot


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "gateway.toml"
    file.write_text(
        f'state_dir = "{tmp_path / "state"}"\n[[device]]\nname = "inverter"\nhost = "127.0.0.1"\n'
    )
    return file


def test_history(config: Path, tmp_path: Path) -> None:
    app = make_app("gateway.cli", "x")
    call = ["history", "--config", str(config)]
    empty = CliRunner().invoke(app, call)
    assert isinstance(empty.exception, ConfigError)
    assert "there is no history yet" in str(empty.exception)
    history = History(tmp_path / "state" / "history.sqlite")
    for step in range(6 * 20):
        history.add(snapshot(step))
    history.close()
    printed = CliRunner().invoke(app, call)
    assert printed.exit_code == 0
    assert len(printed.output.splitlines()) == 21
    out = tmp_path / "out.csv"
    some = [*call, "--since", "2026-06-01T12:05:00Z", "--until", "2026-06-01T12:10:00Z"]
    assert CliRunner().invoke(app, [*some, "--csv", str(out)]).exit_code == 0
    lines = out.read_text().splitlines()
    assert len(lines) == 6
    assert lines[1].startswith("2026-06-01T12:05:00Z,")
    wrong = CliRunner().invoke(app, [*call, "--since", "last week"])
    assert isinstance(wrong.exception, ConfigError)
    assert "--from" in str(wrong.exception), "as the help has it; --since goes on to work"
    nowhere = CliRunner().invoke(app, [*call, "--csv", str(tmp_path / "no" / "x.csv")])
    assert "cannot be written" in str(nowhere.exception)
