"""`energy-gateway forget`: a plain list first, and with --yes what is personal is gone, at the broker too."""

from __future__ import annotations

import asyncio
import os
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gateway.cli import make_app
from gateway.config.guard import FILE
from gateway.domain.control import Control
from gateway.domain.intervals import quarter
from gateway.domain.trade import Side, Tender
from gateway.guard.intents import GuardFile
from gateway.guard.lock import lock_state
from gateway.publishing.topic_memory import TopicMemory
from gateway.store.codec import tender_body
from gateway.store.history import History
from gateway.store.journal import Journal
from simulators.broker import BrokerHandle
from tests.market.values import T0
from tests.publishing.conftest import broker, listening  # noqa: F401 - a fixture

PERSONAL = (
    "history.sqlite",
    "audit.jsonl",
    "audit-refused.jsonl.1",
    "settings.sqlite",
    "journal.sqlite.before-restore",
)


def home(folder: Path, port: int) -> Path:
    state = folder / "state"
    state.mkdir()
    History(state / "history.sqlite").close()
    for name in PERSONAL[1:]:
        (state / name).write_text("x")
    (state / "operator-limits.csv").write_text("limits\n")
    config = folder / "gateway.toml"
    config.write_text(
        f'state_dir = "{state}"\n[mqtt]\nport = {port}\n[[device]]\nname = "meter"\n'
        'profile = "sunspec-meter"\nhost = "127.0.0.1"\n'
    )
    return config


def traded(state: Path) -> None:
    journal = Journal(state / "journal.sqlite")
    journal.append(
        "tender",
        tender_body(Tender("home-1", quarter(T0), Side.SELL, 500, 10, T0)),
        T0 + timedelta(hours=1),
    )
    journal.close()


def forget(config: Path, *words: str) -> Result:
    return CliRunner().invoke(
        make_app("gateway.cli", ""), ["forget", "--config", str(config), *words]
    )


def test_without_yes_it_is_a_list(tmp_path: Path) -> None:
    config = home(tmp_path, 1)
    before = sorted(path.name for path in (tmp_path / "state").iterdir())
    said = forget(config).output
    assert all(f"would be deleted: {tmp_path}/state/{name} " in said for name in PERSONAL)
    assert "nothing was deleted" in said
    assert sorted(path.name for path in (tmp_path / "state").iterdir()) == before


def test_the_account_stays_as_long_as_it_proves_something(tmp_path: Path) -> None:
    config, state = home(tmp_path, 1), tmp_path / "state"
    traded(state)
    said = forget(config, "--yes")
    assert said.exit_code == 0, said.output
    left = {
        path.name for path in state.iterdir() if not path.name.endswith((".lock", "-wal", "-shm"))
    }
    assert left == {"journal.sqlite", "operator-limits.csv"}
    assert "proof towards the exchange" in said.output
    assert forget(config, "--yes", "--account").exit_code == 0
    assert not (state / "journal.sqlite").exists()


def test_what_a_device_is_owed_stays_until_it_is_released(tmp_path: Path) -> None:
    config, state = home(tmp_path, 1), tmp_path / "state"
    GuardFile(state / FILE).remember("inverter", Control.BATTERY_POWER, "{}", T0)
    said = forget(config, "--yes").output
    assert "inverter must be released first" in said
    assert GuardFile(state / FILE).owing == {"inverter"}
    assert not (state / "history.sqlite").exists()


def test_a_link_is_removed_and_not_followed(tmp_path: Path) -> None:
    config, state = home(tmp_path, 1), tmp_path / "state"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "photo").write_text("mine")
    os.symlink(elsewhere, state / "meanwhile")
    forget(config, "--yes")
    assert (elsewhere / "photo").read_text() == "mine"
    assert not (state / "meanwhile").exists()


def test_not_while_it_runs(tmp_path: Path) -> None:
    config, state = home(tmp_path, 1), tmp_path / "state"
    lock = os.fork()
    if lock == 0:  # the lock is one of processes
        lock_state(state)
        os.kill(os.getpid(), 19)
    os.waitpid(lock, os.WUNTRACED)
    try:
        said = forget(config, "--yes")
        assert "another gateway runs" in str(said.exception)
        assert (state / "history.sqlite").exists()
    finally:
        os.kill(lock, 9)
        os.waitpid(lock, 0)


async def test_the_broker_forgets_too(tmp_path: Path, broker: BrokerHandle) -> None:  # noqa: F811
    config, state = home(tmp_path, broker.port), tmp_path / "state"
    topics = ["energy/home/site/state", "homeassistant/device/energy_gateway_home_x/config"]
    TopicMemory(state / "mqtt_topics.json").add(topics)
    async with listening(broker.port, "#") as heard:
        said = await asyncio.to_thread(forget, config, "--yes")
        assert said.exit_code == 0, said.output
        await heard.until(lambda h: all(h.of(topic) == [b""] for topic in topics))
    assert not (state / "mqtt_topics.json").exists()


def test_a_broker_that_is_away_keeps_the_list_of_what_it_holds(tmp_path: Path) -> None:
    config, state = home(tmp_path, 1), tmp_path / "state"
    TopicMemory(state / "mqtt_topics.json").add(["energy/home/site/state"])
    assert forget(config, "--yes").exit_code != 0
    assert TopicMemory(state / "mqtt_topics.json").topics == {"energy/home/site/state"}
    assert (state / "history.sqlite").exists(), "it can be repeated"


@pytest.mark.parametrize("name", ["journal.sqlite"])
def test_a_damaged_account_is_kept(tmp_path: Path, name: str) -> None:
    config, state = home(tmp_path, 1), tmp_path / "state"
    (state / name).write_bytes(b"noise" * 1000)
    assert "stays" in forget(config, "--yes").output
    assert (state / name).exists()
