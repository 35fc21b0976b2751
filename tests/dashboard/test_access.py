"""Hosts, origins, password hashes and files, without a server."""

from __future__ import annotations

import re
import socket
import stat
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.cli import make_app
from gateway.dashboard import server
from gateway.dashboard.access import known_host, same_origin
from gateway.dashboard.password import hashed, matches

CHEAP = 2**4  # scrypt's cost in tests


def test_hosts() -> None:
    own = socket.gethostname().lower()
    for good in ("127.0.0.1:8750", "[::1]:80", "localhost", "192.168.1.7:8750", f"{own}.local"):
        assert known_host(good), good
    for bad in ("evil.example", f"{own}.evil.example", "", "127.0.0.1.evil.example", "localhost.evil.example"):  # fmt: skip
        assert not known_host(bad), bad
    assert same_origin({}, "h:1")
    assert same_origin({"Origin": "http://h:1"}, "h:1")
    assert not same_origin({"Origin": "http://h:2"}, "h:1")


def test_a_name_of_our_own_behind_a_proxy() -> None:
    ours = frozenset({"energy.home.example"})
    for host in ("energy.home.example", "Energy.Home.Example:443"):
        assert known_host(host, ours)
    assert not known_host("x.energy.home.example", ours)
    assert not known_host("[", ours)
    shown = {"Origin": "https://energy.home.example"}
    assert same_origin(shown, "127.0.0.1:8750", ours), "the proxy asks by address"
    assert not same_origin(shown, "127.0.0.1:8750")
    for foreign in ("https://evil.example", "https://energy.home.example.evil.example", "null", ""):
        assert not same_origin({"Origin": foreign}, "127.0.0.1:8750", ours), foreign


def test_password_hashes() -> None:
    line = hashed("correct horse", CHEAP)
    assert line != hashed("correct horse", CHEAP)
    assert matches("correct horse", line)
    assert not matches("correct horsf", line)
    with pytest.raises(ValueError, match="at least 8"):
        hashed("short")


def test_the_password_command(tmp_path: Path) -> None:
    app = make_app("gateway.cli", "x")
    file = tmp_path / "password"
    done = CliRunner().invoke(app, ["password", str(file)], input="correct horse\ncorrect horse\n")
    assert done.exit_code == 0, done.output
    assert matches("correct horse", file.read_text())
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "correct" not in done.output


def test_the_page_names_no_other_host_and_has_nothing_inline() -> None:
    for path in (p for p in server._STATIC.iterdir() if p.is_file()):
        text = path.read_text()
        links = set(re.findall(r"https?://[^\"'\s)]+", text)) - {"http://www.w3.org/2000/svg"}
        assert not links, path
        if path.suffix == ".html":
            assert not re.search(r"<script(?![^>]*src=)|<style|\sstyle=|\son\w+=", text), path
