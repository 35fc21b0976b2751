"""docs/devices.md, 'From an unknown device to readings in ten minutes', followed literally on a device nobody knows."""

from __future__ import annotations

import re
import shlex
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.cli import make_app
from gateway.devices import catalogue
from tests.devices.image_files import table
from tests.devices.test_kill import behind
from tests.modbus.server import RegisterServer

PAGE = Path(__file__).parents[2] / "docs" / "devices.md"
SECTION = re.compile(r"## From an unknown device to readings.*?(?=\n## )", re.DOTALL)
HOLDING = table(
    {
        "0": 17,
        "3": {"text": "ACM0000001", "count": 5},
        "588": 635,
        "590": 1250,
        "625": {"i32": 1812, "words": "little"},
        "672": {"u32": 3480},
    },
    [(0, 60), (500, 690)],
)


def told() -> tuple[list[list[str]], str]:
    """The commands of the page in their order, and the part of a sheet that it shows."""
    found = SECTION.search(PAGE.read_text(encoding="utf-8"))
    assert found
    lines = [line.strip() for line in found[0].splitlines() if line.startswith("       ")]
    commands = [shlex.split(line)[1:] for line in lines if line.startswith("energy-gateway ")]
    return commands, "\n".join(line for line in lines if not line.startswith("energy-gateway "))


@pytest.fixture
def port() -> Iterator[int]:
    with behind(RegisterServer({1: dict(HOLDING)})) as port:
        assert threading.active_count() > 1
        yield port


def run(*words: str) -> str:
    done = CliRunner().invoke(make_app("gateway.cli", ""), list(words))
    assert done.exit_code == 0, (words, done.output, done.exception)
    return done.output


def test_the_page_leads_from_a_dump_to_readings(
    port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(catalogue.VARIABLE, str(tmp_path / "devices.d"))
    (tmp_path / "devices.d").mkdir()
    catalogue.forget()
    commands, shown = told()
    capture, find, new, check, test, read = commands
    capture[capture.index("192.168.1.50")] = f"127.0.0.1:{port}"
    read[read.index("192.168.1.50")] = "127.0.0.1"

    run(*capture)
    places = run(*find)
    for line in shown.splitlines():
        if line.startswith(("soc", "charge", "panels", "feed_in")):
            address = re.search(r"at = (\d+)", line)
            assert address
            assert f"at = {address[1]}," in places, line
    run(*new)
    sheet = tmp_path / "acme-h1.toml"
    begun = sheet.read_text()
    assert re.search(r"#      3 .*'[A-Z]{3}[0-9]{7}'", begun)
    head, parts = begun.split("identify = [")[0], shown.split("[registers]")
    tail = begun[begun.index("[communication]") : begun.index("[defaults]")]
    sheet.write_text(f"{head}{parts[0]}\n{tail}\n[registers]{parts[1]}\n")
    assert "acme-h1" in run(*check)
    assert run(*test).count(" ok") == 4
    (tmp_path / "devices.d" / "acme-h1.toml").write_text(sheet.read_text())
    catalogue.forget()
    output = run(*read, "--port", str(port))
    catalogue.forget()
    for metric, value in (("battery_soc_pct", "63.5"), ("battery_power_w", "-1250")):
        assert re.search(rf"{metric} +{value}", output), output
