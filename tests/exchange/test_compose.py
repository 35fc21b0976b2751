"""The compose file of a cluster: what it starts are the roles of its own configuration, by words that exist."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from gateway.cli import make_app
from simulators.exchange.cluster.config import read_config
from tests.exchange.servers import nats_program

ROOT = Path(__file__).parents[2]
FILE = ROOT / "docs" / "cluster" / "compose.yaml"


@pytest.fixture
def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return found


def test_each_role_is_started_once_by_options_that_exist(
    compose: dict[str, Any], tmp_path: Path
) -> None:
    file = tmp_path / "cluster.toml"
    file.write_text(compose["configs"]["cluster"]["content"])
    config = read_config(file)
    command = typer.main.get_command(make_app("simulators.cli", "x"))
    roles = []
    for service in compose["services"].values():
        words = service.get("entrypoint", []) + service.get("command", [])
        if words[:1] != ["energy-sim"]:
            continue
        context = command.make_context("energy-sim", words[1:])
        name, found, rest = command.resolve_command(context, words[1:])  # type: ignore[attr-defined]
        asked = found.make_context(name, rest).params
        target = service["configs"][0]["target"]
        assert str(asked["cluster"]) == target
        roles.append(asked["role"])
    assert sorted(roles) == sorted(config.roles())
    hosts = {service.get("hostname", name) for name, service in compose["services"].items()}
    named = [address.rpartition(":")[0] for address in (*config.edges, *config.metrics)]
    named += [address.removeprefix("nats://").partition(":")[0] for address in config.nats]
    assert {*named, "postgres"} <= hosts
    mounted = {volume.partition(":")[2] for volume in compose["services"]["leader"]["volumes"]}
    assert str(config.state) in mounted


def test_the_log_takes_its_configuration(compose: dict[str, Any], tmp_path: Path) -> None:
    program = nats_program()
    said = subprocess.run([program, "--version"], check=True, capture_output=True, text=True).stdout
    words = compose["configs"]["nats"]["content"].replace("$$", "$")
    if tuple(int(part) for part in said.rpartition("v")[2].split(".")[:2]) < (2, 10):
        assert ", sync_interval: always" in words
        words = words.replace(", sync_interval: always", "")  # which that one does not have
    file = tmp_path / "nats.conf"
    file.write_text(words)
    checked = subprocess.run(
        [program, "-t", "-c", str(file)],
        check=False,
        capture_output=True,
        text=True,
        env={"HOSTNAME": "nats-1"},
    )
    assert checked.returncode == 0, checked.stderr
