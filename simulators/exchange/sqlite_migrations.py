"""Stores of earlier schemas brought forward, in one transaction: the account stays what it was.

Schema 1 (no number, or 1) had one text row a thing; schema 2 is nearly today's but for its first days, when
settlement runs had no table, tenders no hash of their name and the evidence another coding. All names
that parties know (tenders, fills, settlements) are made from what they name, so they are the same
after it, and so are the numbers of the fills.
"""

from __future__ import annotations

import base64
import binascii
import itertools
import json
import sqlite3
import zlib
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

from gateway.domain.intervals import iso, parse_utc
from simulators.exchange import evidence, old_evidence, sqlite_index
from simulators.exchange.evidence import Stored
from simulators.exchange.names import hash63, name_hash
from simulators.exchange.rows import from_quarter, to_quarter, to_s
from simulators.exchange.sqlite_schema import SCHEMA

_QUALITIES = ("ESTIMATED", "MEASURED", "REVENUE")
_V1 = ["party", "tender", "call", "fill", "delivery", "settlement", "waiver", "mark"]
_V1_INDEXES = ["tender_open", "tender_party", "fill_party", "fill_start", "settlement_party"]
_QUARTER_MARKS = frozenset({"PRELIM", "FINAL", "TRUEUP", "gate"})
_INVALID = (ValueError, KeyError, TypeError, IndexError, zlib.error, binascii.Error)
Numbers = Iterator[int]


def schema_of(db: sqlite3.Connection) -> int:
    """The schema that a file has; 0 = none yet."""
    (version,) = db.execute("PRAGMA user_version").fetchone()
    tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if not tables:
        return 0
    return int(version) if version else 1


def migrate(db: sqlite3.Connection, version: int) -> None:
    """From any earlier schema to 5; the caller holds the transaction and sets the number.

    Schema 4 has the tables of 3; its fresh evidence is coded so that an older version cannot read it.
    Schema 5 has tables of its own in the place of two indexes (`simulators.exchange.sqlite_index`).
    """
    if version == 1:
        _from_1(db)
    elif "name_hash" not in _columns(db, "document"):
        _from_first_2(db)
    else:
        db.execute("DROP INDEX IF EXISTS document_name")
        db.execute("DROP INDEX IF EXISTS document_key")
        _create(db)
    sqlite_index.index(db)


def _columns(db: sqlite3.Connection, table: str) -> set[str]:
    return {row[1] for row in db.execute(f"PRAGMA table_info({table})")}


def _create(db: sqlite3.Connection) -> None:
    for statement in SCHEMA.split(";"):
        db.execute(statement)


# -- the first days of schema 2 --


def _from_first_2(db: sqlite3.Connection) -> None:
    db.execute("DROP VIEW IF EXISTS tender_state")
    db.execute("DROP INDEX IF EXISTS document_name")
    db.execute("ALTER TABLE document RENAME TO old_document")
    db.execute("DROP INDEX IF EXISTS document_key")
    db.execute("ALTER TABLE statement RENAME TO old_statement")
    _create(db)
    documents = "SELECT seq, party, key_hash, stream, name FROM old_document"
    for seq, party, key, stream, name in db.execute(documents).fetchall():
        named = None if name is None else name_hash(party, name)
        db.execute(
            "INSERT INTO document VALUES (?, ?, ?, ?, ?, ?)", (seq, party, key, stream, named, name)
        )
    _runs_of(db)
    db.execute("DROP TABLE old_document")
    db.execute("DROP TABLE old_statement")
    _recode(db)


def _runs_of(db: sqlite3.Connection) -> None:
    """Statements said of each run what is said once now."""
    numbers = itertools.count(_last(db) + 1)
    found = "SELECT start, run, imbalance_price, time FROM old_statement GROUP BY start, run, time ORDER BY time"
    for start, name, price, time in db.execute(found).fetchall():
        run = next(numbers)
        db.execute("INSERT INTO run VALUES (?, ?, ?, ?, ?)", (run, start, name, price, time))
        db.execute(
            "INSERT INTO statement SELECT start, party, seq, ?, position, metered, estimated, energy,"
            " imbalance, uncontracted, fee, reverses FROM old_statement"
            " WHERE start = ? AND run = ? AND time = ?",
            (run, start, name, time),
        )


def _last(db: sqlite3.Connection) -> int:
    tables = ("document", "cancel", "call", "fill", "session", "old_statement")
    newest = (db.execute(f"SELECT COALESCE(MAX(seq), 0) FROM {table}") for table in tables)  # noqa: S608 - own names
    return max(int(found.fetchone()[0]) for found in newest)


def _recode(db: sqlite3.Connection) -> None:
    """Evidence of the former coding."""
    for seq, body in db.execute("SELECT seq, body FROM evidence").fetchall():
        if not _readable(evidence.decode, body):
            again = evidence.encode(old_evidence.decode(body))
            db.execute("UPDATE evidence SET body = ? WHERE seq = ?", (again, seq))
    for last, body in db.execute("SELECT last, body FROM pack").fetchall():
        if not _readable(evidence.unpack, body):
            again = evidence.pack([evidence.encode(one) for one in old_evidence.unpack(body)])
            db.execute("UPDATE pack SET body = ? WHERE last = ?", (again, last))


def _readable(read: Callable[[bytes], object], body: bytes) -> bool:
    try:
        read(body)
    except _INVALID:
        return False
    return True


# -- schema 1 --


def _from_1(db: sqlite3.Connection) -> None:
    for index in _V1_INDEXES:
        db.execute(f"DROP INDEX IF EXISTS {index}")
    for table in _V1:
        db.execute(f"ALTER TABLE {table} RENAME TO old_{table}")
    _create(db)
    (last,) = db.execute("SELECT COALESCE(MAX(seq), 0) FROM old_fill").fetchone()
    numbers = itertools.count(last + 1)  # fills keep theirs: parties ask by them
    parties = _parties(db)
    documents = _tenders(db, parties, numbers)
    _calls_and_fills(db, parties, documents, numbers)
    _deliveries(db, parties, numbers)
    _settlements(db, parties, numbers)
    for row in _dicts(db, "old_waiver"):
        published = row.get("published") or row["start"]  # the first days kept a reason instead
        when = (to_quarter(parse_utc(row["start"])), _published_s(published))
        db.execute("INSERT INTO waiver VALUES (?, ?)", when)
    for row in _dicts(db, "old_mark"):
        db.execute(
            "INSERT INTO mark VALUES (?, ?)", (row["name"], _mark(row["name"], row["value"]))
        )
    for table in (*(f"old_{name}" for name in _V1), "token", "event", "idempotency"):
        db.execute(f"DROP TABLE IF EXISTS {table}")


def _dicts(db: sqlite3.Connection, table: str) -> list[dict[str, Any]]:
    found = db.execute(f"SELECT * FROM {table} ORDER BY rowid")  # noqa: S608 - own names
    names = [column[0] for column in found.description]
    return [dict(zip(names, row, strict=True)) for row in found]


def _parties(db: sqlite3.Connection) -> dict[str, int]:
    numbers: dict[str, int] = {}
    for number, row in enumerate(_dicts(db, "old_party"), 1):
        numbers[row["party_id"]] = number
        key = row["public_key"]
        keys = [] if key is None else [{"jwk": json.loads(key), "until_ms": None}]
        kept = (row["party_id"], row["role"], row["capacity_w"], row["revoked"], row["secret_hash"])
        db.execute(
            "INSERT INTO party VALUES (?, ?, ?, ?, ?, ?, ?)", (number, *kept, json.dumps(keys))
        )
    return numbers


def _tenders(db: sqlite3.Connection, parties: dict[str, int], numbers: Numbers) -> dict[str, int]:
    """Each tender as a document of its own; their numbers by the market's order id."""
    filled = dict(
        db.execute("SELECT market_order_id, SUM(quantity) FROM old_fill GROUP BY market_order_id")
    )
    documents: dict[str, int] = {}
    for row in sorted(_dicts(db, "old_tender"), key=lambda r: str(r["accepted"])):
        seq, party = next(numbers), parties[row["party_id"]]
        documents[row["market_order_id"]] = seq
        name = row["tender_id"]
        stored = _evidence(row)
        key = hash63(f"{row['party_id']}|createTender|{name}")
        db.execute(
            "INSERT INTO document VALUES (?, ?, ?, 0, ?, ?)",
            (seq, party, key, name_hash(party, name), name),
        )
        db.execute("INSERT INTO evidence VALUES (?, ?)", (seq, evidence.encode(stored)))
        start, buy = to_quarter(parse_utc(row["start"])), int(row["side"] == "BUY")
        offer = (start, buy, row["price"], row["quantity"], row["expires_ms"])
        db.execute("INSERT INTO tender VALUES (?, 0, ?, ?, ?, ?, ?, ?)", (seq, party, *offer))
        if row["status"] == "CANCELED":
            rest = row["quantity"] - filled.get(row["market_order_id"], 0)
            by_market = int(row.get("cancel_reason") == "SUPERVISORY")
            db.execute(
                "INSERT INTO cancel VALUES (?, 0, ?, ?, ?)", (seq, next(numbers), rest, by_market)
            )
    return documents


def _evidence(row: dict[str, Any]) -> Stored:
    """What was signed where it was, else the tender written as a document of today."""
    signed = None if row["evidence"] is None else str(row["evidence"]).encode()
    payload = None if signed is None else _payload(signed)
    try:
        one = payload is not None and json.loads(payload)["tender"]["tenderId"] == row["tender_id"]
    except _INVALID:
        one = False
    if payload is None or not one:  # a stream's document has several tenders
        payload = json.dumps(_written(row)).encode()
    received = to_s(parse_utc(row["accepted"])) * 1000
    return Stored("createTender", row["tender_id"], received, 201, None, payload, signed)


def _payload(signed: bytes) -> bytes | None:
    try:
        part = signed.split(b".")[1]
        return base64.urlsafe_b64decode(part + b"=" * (-len(part) % 4))
    except _INVALID:
        return None


def _written(row: dict[str, Any]) -> dict[str, Any]:
    expires = from_quarter(0) + timedelta(milliseconds=row["expires_ms"])
    return {
        "requestId": row["tender_id"],
        "partyId": row["party_id"],
        "counterPartyId": "exchange",
        "marketId": "charging-network",
        "segmentId": "LZ_SOUTH",
        "tender": {
            "tenderId": row["tender_id"],
            "side": row["side"],
            "resourceDesignator": "ENERGY",
            "expirationTime": iso(expires),
            "allOrNone": False,
            "tenderDetail": {
                "interval": {"dtStart": row["start"], "duration": "PT15M"},
                "price": row["price"],
                "quantity": row["quantity"],
            },
        },
    }


def _calls_and_fills(
    db: sqlite3.Connection, parties: dict[str, int], documents: dict[str, int], numbers: Numbers
) -> None:
    calls: dict[str, int] = {}
    for row in sorted(_dicts(db, "old_call"), key=lambda r: (r["time"], r["start"])):
        seq = calls[row["call_id"]] = next(numbers)
        start, time = to_quarter(parse_utc(row["start"])), to_s(parse_utc(row["time"]))
        db.execute(
            "INSERT INTO call VALUES (?, ?, ?, ?, ?)",
            (seq, start, time, row["price"], row["volume"]),
        )
    for row in _dicts(db, "old_fill"):
        buy = int(row["side"] == "BUY")
        document = documents.get(row["market_order_id"], 0)
        uid = 0 if document else buy  # the retailer's backstop has no document
        start, party = to_quarter(parse_utc(row["start"])), parties[row["party_id"]]
        what = (calls[row["call_id"]], document, uid, buy, row["price"], row["quantity"])
        db.execute(
            "INSERT INTO fill VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", (start, party, row["seq"], *what)
        )


def _deliveries(db: sqlite3.Connection, parties: dict[str, int], numbers: Numbers) -> None:
    for row in sorted(_dicts(db, "old_delivery"), key=lambda r: str(r["time"])):
        start, quality = to_quarter(parse_utc(row["start"])), _QUALITIES.index(row["quality"])
        said = (next(numbers), row["import_wh"], row["export_wh"], quality)
        db.execute(
            "INSERT INTO delivery VALUES (?, ?, ?, ?, ?, ?)",
            (start, parties[row["party_id"]], *said),
        )


def _settlements(db: sqlite3.Connection, parties: dict[str, int], numbers: Numbers) -> None:
    runs: dict[tuple[str, str, str], int] = {}
    seqs: dict[str, int] = {}
    for row in sorted(_dicts(db, "old_settlement"), key=lambda r: int(r["seq"])):
        start, key = to_quarter(parse_utc(row["start"])), (row["start"], row["run"], row["time"])
        if key not in runs:
            runs[key] = next(numbers)
            made = (start, row["run"], row["imbalance_price"], to_s(parse_utc(row["time"])))
            db.execute("INSERT INTO run VALUES (?, ?, ?, ?, ?)", (runs[key], *made))
        seq = seqs[row["settlement_id"]] = next(numbers)
        money = (row["energy"], row["imbalance"], row["uncontracted"], row["fee"])
        reverses = None if row["reverses"] is None else seqs[row["reverses"]]
        counted = (row["position"], row["metered"], row["estimated"])
        db.execute(
            "INSERT INTO statement VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (start, parties[row["party_id"]], seq, runs[key], *counted, *money, reverses),
        )


def _published_s(text: str) -> int:
    try:
        return to_s(parse_utc(text))
    except ValueError:
        return 0


def _mark(name: str, value: str) -> str:
    if name in _QUARTER_MARKS:
        return str(to_quarter(parse_utc(value)))
    return str(to_s(parse_utc(value))) if name == "step" else value
