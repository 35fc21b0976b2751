"""Daemon and commands find the same configuration and the same state, from wherever they are called."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config import paths
from gateway.config.load import load_settings

HOME = '[[device]]\nname = "inverter"\nprofile = "auto"\nhost = "127.0.0.1"\n'


def test_the_service_s_configuration_is_found_where_there_is_none_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = tmp_path / "etc" / "gateway.toml"
    monkeypatch.setattr(paths, "SYSTEM", system)
    monkeypatch.chdir(tmp_path)
    assert paths.default_config() == Path("gateway.toml")
    system.parent.mkdir()
    system.write_text(HOME)
    assert paths.default_config() == system
    (tmp_path / "gateway.toml").write_text(HOME)
    assert paths.default_config() == Path("gateway.toml")


def test_the_service_s_state_is_the_same_for_the_daemon_and_for_every_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    config = tmp_path / "gateway.toml"
    config.write_text(HOME)
    assert load_settings(config).state_dir == Path("state")
    monkeypatch.setattr(paths, "SYSTEM", config)
    assert load_settings(config).state_dir == Path("/var/lib/energy-gateway/state")
    assert load_settings(config).for_guard().state_dir == "/var/lib/energy-gateway/state"
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "given"))  # by systemd, to the daemon
    assert load_settings(config).state_dir == tmp_path / "given" / "state"
    config.write_text(f'state_dir = "{tmp_path}/own"\n' + HOME)
    assert load_settings(config).state_dir == tmp_path / "own"
