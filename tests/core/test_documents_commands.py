"""What the documents tell people to type is there: commands with their options, modules, metrics, keys, and the headings that links go to."""

from __future__ import annotations

import re
import shlex
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from gateway.cli import make_app
from tests.core.test_documents import DOCUMENTS, ROOT

DOCS = [path for path in DOCUMENTS if path.parent.name != "changes" and path.name != "CHANGELOG.md"]
PROGRAMS = {"energy-gateway": "gateway.cli", "energy-sim": "simulators.cli"}
NAMED = [pytest.param(path, id=str(path.relative_to(ROOT))) for path in DOCS]


@cache
def program(package: str) -> Any:
    return typer.main.get_command(make_app(package, ""))


def typed(text: str) -> list[str]:
    """What stands in code, inline or as a block, and begins with one of our programs."""
    inline = re.findall(r"`([^`\n]+)`", text)
    blocks = [line for line in text.splitlines() if re.match(r" {4}|sudo |/opt/|\.venv/", line)]
    found = re.compile(r"(?:^|[\s/(])(energy-(?:gateway|sim)) ([a-z].*)")
    return [" ".join(m.groups()) for line in (*inline, *blocks) if (m := found.search(line))]


def unknown(line: str) -> list[str]:
    """The words of a command line that no command knows: its name, and its options."""
    text = re.split(r"\s(?:#|\||>|&&)|[;)]", line)[0]
    try:
        name, *words = shlex.split(text)
    except ValueError:  # an apostrophe of prose
        name, *words = text.split()
    command = program(PROGRAMS[name])
    while words and hasattr(command, "commands"):
        if words[0] not in command.commands:
            return [f"{name} {words[0]}"]
        command = command.commands[words.pop(0)]
    options = {o for p in command.params for o in (*p.opts, *p.secondary_opts)} | {"--help"}
    given = [word.split("=")[0].rstrip(",.:") for word in words if re.match(r"--[a-z]", word)]
    return [f"{line}: {option}" for option in given if option not in options]


@pytest.mark.parametrize("document", NAMED)
def test_each_command_that_is_named_is_there_with_its_options(document: Path) -> None:
    lines = typed(document.read_text(encoding="utf-8"))
    assert [wrong for line in lines for wrong in unknown(line)] == []


def test_a_wrong_command_would_be_found() -> None:
    text = "Say `energy-gateway why --loud`, then\n\n    energy-sim dance --days 2\n    sudo energy-gateway status\n"
    assert [wrong for line in typed(text) for wrong in unknown(line)] == [
        "energy-gateway why --loud: --loud",
        "energy-sim dance",
    ]


@pytest.mark.parametrize("document", NAMED)
def test_each_module_that_is_run_is_there(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    modules = set(re.findall(r"python -m ((?:gateway|simulators|tests|benchmarks)[\w.]*)", text))
    assert [name for name in modules if find_spec(name) is None] == []
    files = re.findall(r"(?:pytest |T=|`)((?:tests|benchmarks)/[\w/]+\.py)", text)
    gone = [name for name in files if not (ROOT / name).exists()]
    assert gone in ([], ["tests/x.py"]), "x is any file"


def headings(document: Path) -> set[str]:
    """The anchors of a document, as MyST and GitHub make them."""
    text = re.sub(r"^( {4}|```).*$", "", document.read_text(encoding="utf-8"), flags=re.MULTILINE)
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", title.lower()) for title in titles)
    return {title.strip().replace(" ", "-") for title in plain}


@pytest.mark.parametrize("document", NAMED)
def test_each_heading_that_is_linked_is_there(document: Path) -> None:
    gone = []
    for target in re.findall(r"\]\(([^)\s]+#[^)\s]+)\)", document.read_text(encoding="utf-8")):
        file, _, anchor = target.partition("#")
        if "://" not in file:
            place = document if not file else document.parent / file
            gone += [] if anchor in headings(place) else [target]
    assert gone == []


def everything(command: Any, path: str) -> list[str]:
    """Each option and argument of a command and all below it that says nothing of itself."""
    silent = [f"{path} {p.name}" for p in command.params if not (p.help or getattr(p, "hidden", 0))]
    for name, below in getattr(command, "commands", {}).items():
        silent += everything(below, f"{path} {name}")
    return silent


@pytest.mark.parametrize("name", PROGRAMS)
def test_each_option_says_what_it_means(name: str) -> None:
    assert everything(program(PROGRAMS[name]), name) == []


def test_the_readme_counts_the_families_as_the_command_does() -> None:
    read = CliRunner().invoke(make_app("gateway.cli", ""), ["profiles"]).stdout
    found = re.search(r"(\d+) families are read, (\d+) of them steered\n(\d+) more", read)
    assert found
    counts = "{} are read over Modbus, {} of them steered, {} more over HTTP or MQTT"
    assert counts.format(*found.groups()) in (ROOT / "README.md").read_text(encoding="utf-8")
