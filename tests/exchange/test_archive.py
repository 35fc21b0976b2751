"""The past of an exchange as parquet: what DuckDB reads of it is what the parties were told."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from gateway.clock import SimClock
from gateway.domain.intervals import iso
from gateway.errors import ConfigError
from simulators.exchange import ExchangeHandle
from simulators.exchange.archive import KINDS, archive
from simulators.exchange.rows import to_quarter
from simulators.participants.credential import Credential
from tests.exchange.conftest import START, T, Wire, play, tender_body

DAY = START.date()
MONEY = """SELECT party_id, sum(energy_money + imbalance_money + uncontracted_money + fee_money)
           FROM statement GROUP BY party_id"""


def asked(folder: Path, sql: str) -> list[tuple[Any, ...]]:
    """With each kind's files as a table of its name."""
    with duckdb.connect() as db:
        for kind in KINDS:
            db.read_parquet(f"{folder}/{kind}/*.parquet").create_view(kind)
        return db.execute(sql).fetchall()


async def trade(wire: Wire, clock: SimClock, handle: ExchangeHandle) -> bytes:
    """Home sells, another buys, one is refused, one is signed, readings come; the signed tender."""
    assert (await wire.tender("sold", "SELL", 1_000, 2_000))[0] == 201
    assert (await wire.tender("bought", "BUY", 600, 6_000, party="other"))[0] == 201
    assert (await wire.tender("bad", "SELL", 55, 2_000))[0] == 422
    home = handle.market.parties.get("home")
    assert home is not None
    credential = Credential.read(handle.credential_file("home"))
    body = tender_body("signed", "SELL", 100, 2_100, start=T + timedelta(minutes=15))
    signed = credential.sign(json.dumps(body).encode(), clock.now())
    kind = {"Content-Type": "application/jose"}
    assert (await wire.post("createTender", signed, key="signed", headers=kind))[0] == 201
    await clock.sleep_until(T + timedelta(minutes=20))
    reading = {
        "requestId": "m",
        "partyId": "home",
        "measurementPointId": "x",
        "interval": {"dtStart": iso(T), "duration": "PT15M"},
        "importQuantity": 0,
        "exportQuantity": 900,
        "importRegister": 0,
        "exportRegister": 900,
        "quality": "MEASURED",
    }
    assert (await wire.post("deliver", reading, key="m"))[0] == 201
    return signed


def test_a_day_is_archived_once_and_says_what_was_told(tmp_path: Path) -> None:
    to = tmp_path / "archive"

    async def story(wire: Wire, clock: SimClock, handle: ExchangeHandle) -> None:
        signed = await trade(wire, clock, handle)
        assert list(archive(tmp_path, to)) == [], "the day is not over"
        await clock.sleep_until(START + timedelta(days=1, hours=2))
        (written,) = archive(tmp_path, to)
        assert written[0] == DAY
        assert list(archive(tmp_path, to)) == []
        fills = (await wire.get("transactions", after="0"))[1]["transactions"]
        told = [(f["seq"], f["tender"]["tenderId"], f["tender"]["tenderDetail"]["quantity"]) for f in fills]  # fmt: skip
        sql = "SELECT seq, tender_id, quantity_wh FROM fill WHERE party_id = 'home' ORDER BY seq"
        assert asked(to, sql) == told
        assert {name for _, name, _ in told} == {"sold", "signed"}
        by_party = dict(asked(to, MONEY))
        assert by_party == handle.ledger()
        assert sum(by_party.values()) == 0
        assert asked(to, "SELECT export_wh, start FROM reading") == [(900, T.replace(tzinfo=None))]
        sent = "SELECT status, signed FROM document WHERE idempotency_key = 'signed'"
        assert asked(to, sent) == [(201, signed.decode())]
        refused = "SELECT party_id, status, result->>'kind' FROM document WHERE status >= 400"
        assert asked(to, refused) == [("home", 422, "quantity")]
        assert asked(to, "SELECT party_id FROM document WHERE operation = 'deliver'") == [("home",)]
        # What the exchange no longer keeps is still told by the files.
        soon = to_quarter(clock.now())
        await handle.store.forget(soon, soon)
        assert asked(to, sql) == told

    play(tmp_path, story)


def test_days_follow_each_other_without_a_gap_or_a_double(tmp_path: Path) -> None:
    to = tmp_path / "archive"

    async def story(wire: Wire, clock: SimClock, handle: ExchangeHandle) -> None:
        for day in range(3):
            start = T + timedelta(days=day)
            assert (await wire.tender(f"t{day}", "SELL", 500, 2_000, start=start))[0] == 201
            await clock.sleep(24 * 3600)
        days = [day for day, _ in archive(tmp_path, to)]
        assert days == [DAY + timedelta(days=n) for n in range(3)]
        numbers = [
            seq for (seq,) in asked(to, "SELECT seq FROM call UNION ALL SELECT seq FROM fill")
        ]
        assert len(numbers) == len(set(numbers))
        kept = handle.store.all("SELECT COUNT(*) FROM call WHERE time < ?", to_quarter(START) * 900 + 2 * 86_400 + 43_200)  # fmt: skip
        assert asked(to, "SELECT count(*) FROM call") == [tuple(kept[0])]
        # A run that was killed between two files writes only what is missing.
        (to / "fill" / f"{DAY}.parquet").unlink()
        ((again, rows),) = archive(tmp_path, to)
        told = asked(to, "SELECT time FROM fill")
        assert (again, rows) == (DAY, sum(time.date() == DAY for (time,) in told))

    play(tmp_path, story)


def test_no_store_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no exchange has run there"):
        list(archive(tmp_path, tmp_path / "archive"))
