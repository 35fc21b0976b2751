"""A small real exchange for the trader's tests: an HTTP server over SQLite, in its own process.

It keeps its word through kill -9, follows the time that the requests carry (``X-Now``), runs a call
every five minutes with a price and a demand that only depend on the seed, and fills what is below.
Faults are asked for by POST /fault: {"route", "kind", "count"}.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from aiohttp import web

from gateway.domain.intervals import floor_to, iso, parse_utc, quarter, quarters
from gateway.domain.trade import Side, Transaction
from gateway.market.settlement import expected

CALL = timedelta(minutes=5)
GATE = timedelta(minutes=5)
FIRST = timedelta(minutes=60)
IMBALANCE, EXPORT, FEE = 5000, 2000, 1000

SCHEMA = """
CREATE TABLE IF NOT EXISTS tender (tender_id TEXT PRIMARY KEY, start TEXT, side TEXT,
  price INTEGER, quantity INTEGER, remaining INTEGER, state TEXT, answer TEXT, body TEXT);
CREATE TABLE IF NOT EXISTS fill (seq INTEGER PRIMARY KEY, body TEXT, start TEXT);
CREATE TABLE IF NOT EXISTS metered (start TEXT PRIMARY KEY, body TEXT, at TEXT);
CREATE TABLE IF NOT EXISTS settlement (settlement_id TEXT PRIMARY KEY, start TEXT, body TEXT);
CREATE TABLE IF NOT EXISTS call (at TEXT PRIMARY KEY);
CREATE TABLE IF NOT EXISTS post (n INTEGER PRIMARY KEY, route TEXT);
"""


def number(*parts: object) -> int:
    """A number that looks random and only depends on ``parts``."""
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:4], "big")


class Stub:
    def __init__(self, db: Path, seed: int) -> None:
        self.seed = seed
        self.db = sqlite3.connect(db, isolation_level=None)
        self.db.execute("PRAGMA journal_mode=WAL")
        self.db.executescript(SCHEMA)
        self.skew = timedelta(0)
        self.faults: dict[str, list[str]] = {}
        self.takes_tenders = True
        self.app = web.Application(middlewares=[self.front])
        self.app.add_routes(
            [
                web.get("/time", self.time),
                web.post("/tenders", self.create),
                web.get("/tenders/{id}", self.find),
                web.post("/cancel", self.cancel),
                web.get("/open", self.open),
                web.get("/transactions", self.transactions),
                web.post("/deliver", self.deliver),
                web.get("/settlements", self.settlements),
                web.post("/fault", self.fault),
            ]
        )

    @web.middleware
    async def front(self, request: web.Request, handler: Any) -> web.StreamResponse:
        """Bring the market to the request's time; do or spoil what was asked, all in one commit."""
        kinds = self.faults.get(request.path.split("/")[1], [])
        kind = kinds.pop(0) if kinds else ""
        if kind == "500-before":
            return web.json_response({}, status=500)
        self.db.execute("BEGIN IMMEDIATE")
        if "X-Now" in request.headers:
            self.advance(parse_utc(request.headers["X-Now"]))
        response: web.StreamResponse = await handler(request)
        self.db.execute("COMMIT")
        if kind == "500-after":
            return web.json_response({}, status=500)
        if kind == "cut-after":
            assert request.transport is not None
            request.transport.abort()
        if kind == "double":  # every answer twice, as after a network hiccup
            assert isinstance(response, web.Response)
            return web.json_response(json.loads(response.text or "") * 2)
        if kind == "nonsense":
            return web.json_response([{"what": 1}])
        return response

    def advance(self, now: datetime) -> None:
        row = self.db.execute("SELECT max(at) FROM call").fetchone()[0]
        at = parse_utc(row) + CALL if row else floor_to(now, CALL)
        while at <= now:
            self.db.execute("INSERT INTO call VALUES (?)", (iso(at),))
            self.clear(at)
            at += CALL
        for start, body, _ in self.db.execute("SELECT * FROM metered").fetchall():
            if now >= parse_utc(start) + timedelta(minutes=45):
                self.settle(start, json.loads(body))

    def clear(self, at: datetime) -> None:
        for interval in quarters(floor_to(at, 3 * CALL), floor_to(at + FIRST, 3 * CALL) + 3 * CALL):
            if not at + GATE <= interval.start <= at + FIRST:
                continue
            start = iso(interval.start)
            price = 2000 + number(self.seed, start, at) % 8000
            demand = number(self.seed, at, start, "wh") % 80 * 10
            rows = self.db.execute(
                "SELECT tender_id, remaining FROM tender WHERE state = 'open' AND start = ?"
                " AND side = 'SELL' AND price <= ? ORDER BY price, tender_id",
                (start, price),
            ).fetchall()
            for tender_id, remaining in rows:
                part = min(remaining, demand)
                demand -= part
                if part:
                    self.fill(tender_id, start, part, price, remaining - part)

    def fill(self, tender_id: str, start: str, part: int, price: int, left: int) -> None:
        seq = self.db.execute("SELECT coalesce(max(seq), 0) + 1 FROM fill").fetchone()[0]
        body = {
            "transaction_id": f"x{seq}",
            "sequence": seq,
            "tender_id": tender_id,
            "start": start,
            "side": "SELL",
            "quantity_wh": part,
            "price_ticks": price,
        }
        self.db.execute("INSERT INTO fill VALUES (?, ?, ?)", (seq, json.dumps(body), start))
        state = "open" if left else "filled"
        self.db.execute(
            "UPDATE tender SET remaining = ?, state = ? WHERE tender_id = ?",
            (left, state, tender_id),
        )

    def fills(self, start: str) -> list[Transaction]:
        rows = self.db.execute("SELECT body FROM fill WHERE start = ? ORDER BY seq", (start,))
        return [to_transaction(json.loads(r[0])) for r in rows.fetchall()]

    def settle(self, start: str, body: dict[str, Any]) -> None:
        due = expected(self.fills(start), body["net_wh"], IMBALANCE, EXPORT, FEE)
        row = {
            "settlement_id": f"s-{start}",
            "start": start,
            "position_wh": due.position_wh,
            "metered_wh": due.metered_wh,
            "energy": due.energy_money,
            "imbalance": due.imbalance_money,
            "uncontracted": due.uncontracted_money,
            "fee": due.fee_money,
        }
        self.db.execute(
            "INSERT OR IGNORE INTO settlement VALUES (?, ?, ?)",
            (row["settlement_id"], start, json.dumps(row)),
        )

    async def time(self, request: web.Request) -> web.Response:
        return web.json_response({"now": iso(parse_utc(request.headers["X-Now"]) + self.skew)})

    async def create(self, request: web.Request) -> web.Response:
        now = parse_utc(request.headers["X-Now"])
        answers = [self.accept(t, now) for t in await request.json()]
        return web.json_response(answers)

    def accept(self, t: dict[str, Any], now: datetime) -> dict[str, Any]:
        self.db.execute("INSERT INTO post (route) VALUES ('tender')")
        body = json.dumps(t, sort_keys=True)
        known = self.db.execute(
            "SELECT answer, body FROM tender WHERE tender_id = ?", (t["tender_id"],)
        ).fetchone()
        if known and known[1] != body:
            return {"tender_id": t["tender_id"], "accepted": False, "order": None, "code": 409}
        if known:
            answer: dict[str, Any] = json.loads(known[0])
            return answer
        late = now >= parse_utc(t["start"]) - GATE or not self.takes_tenders
        count = self.db.execute("SELECT count(*) FROM tender").fetchone()[0]
        answer = {
            "tender_id": t["tender_id"],
            "accepted": not late,
            "order": None if late else f"o{count + 1}",
            "code": 409 if late else 201,
        }
        self.db.execute(
            "INSERT INTO tender VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                t["tender_id"],
                t["start"],
                t["side"],
                t["price_ticks"],
                t["quantity_wh"],
                t["quantity_wh"],
                "late" if late else "open",
                json.dumps(answer),
                body,
            ),
        )
        return answer

    async def find(self, request: web.Request) -> web.Response:
        row = self.db.execute(
            "SELECT answer FROM tender WHERE tender_id = ?", (request.match_info["id"],)
        ).fetchone()
        return web.json_response(json.loads(row[0]) if row else None)

    async def open(self, request: web.Request) -> web.Response:
        rows = self.db.execute("SELECT tender_id FROM tender WHERE state = 'open'").fetchall()
        return web.json_response([row[0] for row in rows])

    async def cancel(self, request: web.Request) -> web.Response:
        tender_id = (await request.json())["tender_id"]
        row = self.db.execute(
            "SELECT state, remaining FROM tender WHERE tender_id = ?", (tender_id,)
        ).fetchone()
        success = bool(row) and row[0] in ("open", "cancelled")
        if success:
            self.db.execute(
                "UPDATE tender SET state = 'cancelled' WHERE tender_id = ?", (tender_id,)
            )
        left = row[1] if success else 0
        return web.json_response({"tender_id": tender_id, "success": success, "remaining": left})

    async def transactions(self, request: web.Request) -> web.Response:
        rows = self.db.execute(
            "SELECT body FROM fill WHERE seq > ? ORDER BY seq LIMIT 10",
            (int(request.query["after"]),),
        )
        return web.json_response([json.loads(r[0]) for r in rows.fetchall()])

    async def deliver(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.db.execute("INSERT INTO post (route) VALUES ('deliver')")
        self.db.execute(
            "INSERT OR IGNORE INTO metered VALUES (?, ?, ?)",
            (body["start"], json.dumps(body), request.headers["X-Now"]),
        )
        return web.json_response({})

    async def settlements(self, request: web.Request) -> web.Response:
        rows = self.db.execute(
            "SELECT body FROM settlement WHERE start >= ? AND start < ? ORDER BY start",
            (request.query["start"], request.query["end"]),
        )
        return web.json_response([json.loads(r[0]) for r in rows.fetchall()])

    async def fault(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.skew = timedelta(seconds=body.get("skew_s", 0))
        if "route" in body:
            self.faults[body["route"]] = [body["kind"]] * body.get("count", 1)
        return web.json_response({})


def to_transaction(body: dict[str, Any]) -> Transaction:
    return Transaction(
        body["transaction_id"],
        body["sequence"],
        body["tender_id"],
        quarter(parse_utc(body["start"])),
        Side(body["side"]),
        body["quantity_wh"],
        body["price_ticks"],
    )
