"""The account before a third party: an old forgery is found, whoever rehashes it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import OKPKey

from gateway.market.receipts import covered, faults, keys_in, receipt_file
from gateway.market.signing import read_credential
from gateway.store.journal import Journal
from simulators.exchange import ExchangeHandle
from tests.hostile.liar import Liar
from tests.hostile.test_exchange import Home, play
from tests.market.values import T0

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    """Three traded hours as a receipt file."""
    path = tmp_path_factory.mktemp("home")
    made: dict[str, Any] = {}

    async def story(honest: ExchangeHandle, liar: Liar, home: Home) -> None:
        await home.live(T0 + timedelta(hours=3))
        journal = Journal(home.path, read_only=True)
        keys = read_credential(home.credential).public_jwks()
        made.update(receipt_file(journal.rows(), keys))
        journal.close()

    play(path, story)
    file = path / "home.json"
    file.write_text(json.dumps(made))
    return made, file


def copied(told: tuple[dict[str, Any], Path]) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(json.dumps(told[0]))
    return document


def check(document: dict[str, Any]) -> list[str]:
    return faults(document, keys_in(document, "party"), keys_in(document, "exchange"))


def test_the_true_account_verifies(told: tuple[dict[str, Any], Path]) -> None:
    document = copied(told)
    assert check(document) == []
    assert covered(document) > 30
    assert len([r for r in document["entries"] if r["kind"] == "receipt"]) >= 2


def test_a_hundred_dollars_added_long_ago_are_found(told: tuple[dict[str, Any], Path]) -> None:
    document = copied(told)
    row = next(r for r in document["entries"] if r["kind"] == "settlement")
    row["body"]["energy_money_e8"] += 100 * 10**8  # the file holds no hashes: all are made anew
    found = check(document)
    assert found
    assert all("signed another account than this one" in line for line in found)


def test_a_removed_a_doubled_and_a_swapped_row_are_found(told: tuple[dict[str, Any], Path]) -> None:
    for change in ("removed", "doubled", "swapped"):
        document = copied(told)
        rows = document["entries"]
        if change == "removed":
            del rows[4]
        elif change == "doubled":
            rows.insert(4, dict(rows[4]))
        else:
            rows[4], rows[5] = rows[5], rows[4]
        for number, row in enumerate(rows, 1):
            row["seq"] = number
        assert check(document), change


def test_a_signature_of_somebody_else_is_none(told: tuple[dict[str, Any], Path]) -> None:
    document = copied(told)
    stranger = OKPKey.generate_key("Ed25519").as_dict(private=False)
    party, exchange = document["party_key"], document["exchange_key"]
    assert any("party's signature" in f for f in faults(document, [stranger], [exchange]))
    assert any("exchange's signature" in f for f in faults(document, [party], [stranger]))
    first = next(r for r in document["entries"] if r["kind"] == "receipt")
    second = [r for r in document["entries"] if r["kind"] == "receipt"][1]
    first["body"]["countersigned"] = second["body"]["countersigned"]
    assert check(document)


def run(*options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from gateway.cli import main; main()", "receipt", *options],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_command_of_a_third_party(told: tuple[dict[str, Any], Path], tmp_path: Path) -> None:
    document, file = told
    keys = {name: tmp_path / f"{name}.json" for name in ("party_key", "exchange_key")}
    for name, path in keys.items():
        path.write_text(json.dumps(document[name]))
    options = [f"--{n.replace('_', '-')}={p}" for n, p in keys.items()]
    shown = run(f"--verify={file}", *options)
    assert shown.returncode == 0, shown.stderr
    assert "as the exchange signed them" in shown.stdout
    forged = copied(told)
    forged["entries"][3]["body"]["quantity_wh"] = 1
    (tmp_path / "forged.json").write_text(json.dumps(forged))
    shown = run(f"--verify={tmp_path / 'forged.json'}", *options)
    assert shown.returncode == 1
    assert "signed another account" in shown.stderr


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"format": 99}', '{"a": ' * 5000])
def test_what_is_no_receipt_file_is_one_line(tmp_path: Path, content: str) -> None:
    (tmp_path / "x.json").write_text(content)
    shown = run(f"--verify={tmp_path / 'x.json'}")
    assert shown.returncode == 2
    assert len(shown.stderr.splitlines()) == 1
