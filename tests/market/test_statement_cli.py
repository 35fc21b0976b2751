"""``energy-gateway statement`` as a person runs it: a process, files, and a real exchange to compare with."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import os
import random
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from gateway.clock import WallClock
from gateway.domain.intervals import quarter
from gateway.domain.trade import Metered
from gateway.store.codec import metered_body
from gateway.store.journal import Journal
from simulators.exchange import start_exchange
from tests import loops
from tests.market.network import FORK, Run, Town
from tests.market.values import T0
from tests.market.worlds import SteadyPrices
from tests.waiting import HANG_S

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Town:
    """Three traded hours, the journal where the daemon would keep it, and a configuration."""
    town = Town(tmp_path_factory.mktemp("town"), T0, T0 + timedelta(hours=3), seed=4)
    Run(town, random.Random(4)).one(())
    town.home.rename(town.home.with_name("journal.sqlite"))
    (town.path / "gateway.toml").write_text(
        f"""
state_dir = "{town.home.parent}"
[site]
time_zone = "America/Chicago"
[[device]]
name = "meter"
profile = "sunspec-meter"
host = "127.0.0.1"
[tariff]
import_price = {{ kind = "flat", per_kwh = "0.14" }}
[market]
url = "http://127.0.0.1:1"
"""
    )
    return town


def run(town: Town, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from gateway.cli import main; main()", "statement", *options],
        cwd=town.path,
        env=os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "120"},
        capture_output=True,
        text=True,
        timeout=HANG_S,
        check=False,
    )


def test_the_text_is_for_people(town: Town) -> None:
    shown = run(town, "--verify")
    assert shown.returncode == 0, shown.stderr
    assert "the chain is whole" in shown.stderr
    assert "2026-06-01" in shown.stdout
    assert "unknown" not in shown.stdout
    assert "the same energy without trading" in shown.stdout


def test_json_and_csv_say_the_same(town: Town) -> None:
    document: dict[str, Any] = json.loads(run(town, "--json").stdout)
    lines = list(csv.DictReader(io.StringIO(run(town, "--csv").stdout)))
    assert len(lines) == len(document["rows"]) > 8
    assert document["fills"] > 0
    for name in ("market", "retail", "without_trading"):
        assert sum(Decimal(line[name]) for line in lines) == Decimal(document["money"][name])
    assert sum(int(line["export_wh"] or 0) for line in lines) == document["energy_wh"]["export"]


def test_a_span_is_half_open_and_may_be_local_days(town: Town) -> None:
    first = json.loads(
        run(town, "--json", "--from", "2026-06-01T12:00:00Z", "--to", "2026-06-01T13:00:00Z").stdout
    )
    assert first["intervals"] == 4
    day = json.loads(run(town, "--json", "--from", "2026-06-01", "--to", "2026-06-02").stdout)
    assert day["from"] == "2026-06-01T05:00:00Z"
    whole = json.loads(run(town, "--json").stdout)
    assert day["money"]["market"] == whole["money"]["market"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--from", "june"), "--from: 'june' is no time"),
        (("--from", "2026-06-02", "--to", "2026-06-01"), "--to 2026-06-01 is not after"),
        (("--json", "--csv"), "exclude each other"),
        (("--state", "nowhere"), "nowhere/journal.sqlite: there is no journal"),
        (("--from", "2031-01-01"), "no interval"),
        (("--config", "missing.toml"), "missing.toml: cannot be read"),
    ],
)
def test_bad_input_is_one_line_and_2(town: Town, options: tuple[str, ...], says: str) -> None:
    shown = run(town, *options)
    assert shown.returncode == 2
    assert shown.stderr.startswith("error: ")
    assert says in shown.stderr
    assert shown.stderr.count("\n") == 1


def test_an_account_without_a_row_is_empty_and_no_fault(town: Town, tmp_path: Path) -> None:
    Journal(tmp_path / "journal.sqlite").close()
    shown = run(town, "--state", str(tmp_path), "--verify")
    assert shown.returncode == 0, shown.stderr
    assert "the chain is whole" in shown.stderr
    assert "no interval is metered or traded yet" in shown.stderr
    assert json.loads(run(town, "--state", str(tmp_path), "--json").stdout) is None
    compared = run(town, "--state", str(tmp_path), "--reconcile")
    assert compared.returncode == 1, "the exchange is asked all the same, and does not answer"
    assert "127.0.0.1:1" in compared.stderr


@pytest.fixture(scope="module")
def retailer_only(town: Town) -> Path:
    """The folder of a home without an exchange, with one metered quarter-hour, and its configuration."""
    home = town.path / "retailer_only"
    home.mkdir()
    journal = Journal(home / "journal.sqlite")
    journal.append("metered", metered_body(Metered(quarter(T0), 300, 0, 0, 0)), T0)
    journal.close()
    text = (town.path / "gateway.toml").read_text().partition("[market]")[0]
    (home / "gateway.toml").write_text(text.replace(str(town.home.parent), str(home)))
    return home


def test_a_home_without_an_exchange_compares_nothing_and_waits_for_nothing(
    town: Town, retailer_only: Path
) -> None:
    configured = ("--config", str(retailer_only / "gateway.toml"))
    bill = run(town, *configured)
    assert (bill.returncode, bill.stdout.count("0.04")) == (0, 4), bill.stdout
    compared = run(town, *configured, "--reconcile")
    assert (compared.returncode, compared.stdout) == (2, "")
    assert "--reconcile needs a configuration with [market]" in compared.stderr
    nowhere = ("--config", str(retailer_only / "none.toml"), "--state", str(retailer_only))
    bare = run(town, *nowhere)
    assert bare.returncode == 0, bare.stderr
    assert "no exchange has heard of any of it" in bare.stdout
    assert "wait for their settlement" not in bare.stdout


def test_a_lost_exchange_is_said(town: Town) -> None:
    shown = run(town, "--reconcile")
    assert shown.returncode == 1
    assert "127.0.0.1:1" in shown.stderr


def serve(path: Path, pipe: Any) -> None:
    async def main() -> None:
        clock = WallClock(T0 + timedelta(hours=3, minutes=1))
        async with asyncio.TaskGroup() as group:
            handle = await start_exchange(clock, group, path, SteadyPrices())
            pipe.send(handle.url)

    loops.run(main())


@pytest.fixture
def exchange(town: Town) -> Iterator[str]:
    ours, theirs = FORK.Pipe()
    process = FORK.Process(target=serve, args=(town.exchange, theirs), daemon=True)
    process.start()
    assert ours.poll(30)
    yield ours.recv()
    process.kill()
    process.join(30)


def test_reconciled_with_the_exchange(town: Town, exchange: str) -> None:
    config = (town.path / "gateway.toml").read_text().replace("http://127.0.0.1:1", exchange)
    (town.path / "live.toml").write_text(config)
    same = run(town, "--config", "live.toml", "--reconcile", "--to", "2026-06-01T14:00:00Z")
    assert same.returncode == 0, same.stderr
    assert "the exchange's account is the same" in same.stderr
    db = sqlite3.connect(town.exchange / "exchange.db")
    db.execute(
        "UPDATE fill SET quantity = quantity + 10 WHERE seq = (SELECT MIN(seq) FROM fill JOIN party ON number = party WHERE party_id = 'home')"
    )
    db.commit()
    db.close()
    differs = run(town, "--config", "live.toml", "--reconcile", "--to", "2026-06-01T14:00:00Z")
    assert differs.returncode == 1
    assert "differs: ours" in differs.stderr
    assert "the accounts differ in 1 points" in differs.stderr


def test_an_empty_account_is_compared_with_all_that_the_exchange_knows(
    town: Town, exchange: str, tmp_path: Path
) -> None:
    """The journal was lost: everything is only in the exchange's account. A new home has nothing there."""
    Journal(tmp_path / "journal.sqlite").close()
    config = (town.path / "gateway.toml").read_text().replace("http://127.0.0.1:1", exchange)
    for party, code in (("home", 1), ("home-3", 0)):
        (town.path / "live.toml").write_text(f'{config}party_id = "{party}"\n')
        shown = run(town, "--config", "live.toml", "--state", str(tmp_path), "--reconcile")
        assert shown.returncode == code, shown.stderr
        assert "no interval is metered or traded yet" in shown.stderr
        if code:
            assert "is only in the exchange's account" in shown.stderr
        else:
            assert "the exchange's account is the same" in shown.stderr


def test_a_forged_journal_is_refused(town: Town, tmp_path: Path) -> None:
    copy = tmp_path / "journal.sqlite"
    source, target = sqlite3.connect(town.home.with_name("journal.sqlite")), sqlite3.connect(copy)
    source.backup(target)
    target.execute(
        "UPDATE entry SET body = replace(body, '\"export_wh\":', '\"export_wh\":9')"
        " WHERE seq = (SELECT min(seq) FROM entry WHERE kind = 'metered')"
    )
    target.commit()
    source.close()
    target.close()
    shown = run(town, "--state", str(tmp_path), "--verify")
    assert shown.returncode == 1
    assert "the chain breaks at row" in shown.stderr
    assert shown.stdout == ""
