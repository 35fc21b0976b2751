"""Documents and the tenders that they made, in the PostgreSQL store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from simulators.exchange import audit, evidence
from simulators.exchange.evidence import Stored
from simulators.exchange.ledger import TenderState
from simulators.exchange.names import name_hash
from simulators.exchange.postgres import Postgres
from simulators.exchange.rows import Document, Tender

_BECAME = (
    "SELECT (SELECT COALESCE(SUM(quantity), 0)::bigint FROM fill"
    " WHERE start = $1 AND party = $2 AND document = $3 AND uid = $4),"
    " COALESCE((SELECT quantity FROM cancel WHERE document = $3 AND uid = $4), 0),"
    " COALESCE((SELECT supervisory FROM cancel WHERE document = $3 AND uid = $4), 0)"
)
# OFFSET 0 has each interval looked up by the index, whatever the planner believes of the table.
_RESTING = (
    "SELECT CASE d.stream WHEN 0 THEN d.name ELSE d.name || '.' || t.uid END, t.start, t.buy,"
    " t.price, t.quantity, t.expires_ms, f.wh, 0, 0"
    " FROM generate_series($2::int + 1, $2::int + 200) AS s (start)"
    " CROSS JOIN LATERAL (SELECT * FROM tender WHERE start = s.start AND party = $1 OFFSET 0) t"
    " JOIN document d ON d.seq = t.document"
    " CROSS JOIN LATERAL (SELECT COALESCE(SUM(quantity), 0)::bigint AS wh FROM fill"
    " WHERE start = t.start AND party = $1 AND document = t.document AND uid = t.uid) f"
    " LEFT JOIN cancel c ON c.document = t.document AND c.uid = t.uid"
    " WHERE c.document IS NULL AND f.wh < t.quantity ORDER BY t.start"
)


_OPEN = (
    "SELECT t.party, COUNT(*) FROM tender t"
    " LEFT JOIN cancel c ON c.document = t.document AND c.uid = t.uid"
    " LEFT JOIN (SELECT document, uid, SUM(quantity) AS wh FROM fill WHERE start > $1"
    " GROUP BY document, uid) f ON f.document = t.document AND f.uid = t.uid"
    " WHERE t.start > $1 AND c.document IS NULL AND COALESCE(f.wh, 0) < t.quantity GROUP BY t.party"
)


class PostgresDocuments:
    """What was asked for by key and by name. `expect` looks many of them up at once, so that what is
    new (almost all) needs no question of its own."""

    def __init__(self, db: Postgres) -> None:
        self.db = db
        self._absent: set[int] = set()

    async def expect(self, keys: Sequence[int], names: Sequence[int]) -> None:
        """Those that are not stored are known not to be, until the next time."""
        self._absent = set()
        found = await self.db.rows(
            "SELECT key_hash FROM document WHERE key_hash = ANY($1::bigint[])"
            " UNION ALL SELECT name_hash FROM document WHERE name_hash = ANY($2::bigint[])",
            *(list(keys), list(names)),
        )
        self._absent = {*keys, *names} - {number for (number,) in found}

    def expect_nothing(self) -> None:
        """What was looked up may have been stored since."""
        self._absent = set()

    async def document(self, key_hash: int) -> tuple[Document, Stored] | None:
        if key_hash in self._absent:
            return None
        found = await self.db.rows("SELECT * FROM document WHERE key_hash = $1", key_hash)
        if not found:
            return None
        document = Document(*found[0])
        stored = await self.evidence(document.seq)
        return None if stored is None else (document, stored)

    async def evidence(self, document: int) -> Stored | None:
        found = await self.db.rows("SELECT body FROM evidence WHERE seq = $1", document)
        return evidence.decode(found[0][0]) if found else None

    async def known(self, party: int, name: str, stream: bool, uids: Sequence[int]) -> set[int]:
        names = {f"{name}.{uid}": uid for uid in uids} if stream else {name: 0}
        possible = {name, *names} if stream else {name, name.rpartition(".")[0]}
        if all(name_hash(party, one) in self._absent for one in possible if one):
            return set()
        return {
            uid
            for tender_id, uid in names.items()
            if await self._find(party, tender_id) is not None
        }

    async def _find(self, party: int, tender_id: str) -> Tender | None:
        """A tender by its name: a single one, or an interval of a stream."""
        for name, stream, uid in _candidates(tender_id):
            documents = await self.db.rows(
                "SELECT seq FROM document WHERE name_hash = $1 AND party = $2 AND name = $3"
                " AND stream = $4",
                *(name_hash(party, name), party, name, stream),
            )
            for (seq,) in documents:
                found = await self._tender_of(seq, party, uid, tender_id)
                if found is not None:
                    return found
        return None

    async def _tender_of(self, seq: int, party: int, uid: int, tender_id: str) -> Tender | None:
        """By its row, and where that is no longer kept, by its document."""
        rows = await self.db.rows("SELECT * FROM tender WHERE document = $1 AND uid = $2", seq, uid)
        if rows:
            return Tender(*rows[0])
        stored = await self.evidence(seq)
        said = () if stored is None else audit.accepted(seq, party, stored)
        return next((found.tender for found in said if found.tender_id == tender_id), None)

    async def tender(self, party: int, tender_id: str) -> TenderState | None:
        tender = await self._find(party, tender_id)
        if tender is None:
            return None
        key = tender.start, party, tender.document, tender.uid
        (became,) = await self.db.rows(_BECAME, *key)
        said = tender.start, tender.buy, tender.price, tender.quantity, tender.expires_ms
        return TenderState(tender_id, *said, *became)

    async def resting(self, party: int, gate: int) -> list[TenderState]:
        """A party's open tenders of the intervals after ``gate``, by start."""
        return [TenderState(*row) for row in await self.db.rows(_RESTING, party, gate)]

    async def open_by_party(self, gate: int) -> Counter[int]:
        """How many open tenders each party has for the intervals after ``gate``."""
        return Counter(dict(await self.db.rows(_OPEN, gate)))

    async def signed_tender(self, party: int, tender_id: str) -> bytes | None:
        tender = await self._find(party, tender_id)
        stored = None if tender is None else await self.evidence(tender.document)
        return None if stored is None else stored.signed

    async def tenders(self) -> list[tuple[str, audit.Accepted]]:
        """For an auditor: every tender of every party, from the evidence alone, with its partyId."""
        found: list[tuple[str, audit.Accepted]] = []
        for seq, party, party_id, body in await self.db.rows(
            "SELECT d.seq, d.party, p.party_id, e.body FROM document d"
            " JOIN party p ON p.number = d.party JOIN evidence e ON e.seq = d.seq"
            " WHERE d.name IS NOT NULL ORDER BY d.seq"
        ):
            said = audit.accepted(seq, party, evidence.decode(body))
            found += [(party_id, one) for one in said]
        return found


def _candidates(tender_id: str) -> list[tuple[str, int, int]]:
    """The documents that may have made a tender: name, whether it is a stream, number in it."""
    base, _, last = tender_id.rpartition(".")
    found = [(tender_id, 0, 0)]
    if base and last.isascii() and last.isdigit():
        found.append((base, 1, int(last)))
    return found
