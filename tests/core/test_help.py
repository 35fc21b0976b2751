"""Every command's help says what it is for and gives an example."""

from __future__ import annotations

from typing import Any

import pytest
import typer

from gateway.cli import make_app


def commands(package: str) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []

    def walk(name: str, command: Any) -> None:
        inside = getattr(command, "commands", None)
        if inside is not None:
            for inner, each in inside.items():
                walk(f"{name} {inner}", each)
        else:
            found.append((name, command))

    walk("", typer.main.get_command(make_app(package, "x")))
    return found


@pytest.mark.parametrize("package", ["gateway.cli", "simulators.cli"])
def test_each_has_an_example(package: str) -> None:
    program = {"gateway.cli": "energy-gateway", "simulators.cli": "energy-sim"}[package]
    assert len(commands(package)) >= 8
    for name, command in commands(package):
        said = command.help or ""
        assert f"Example: {program}{name}" in said, name
