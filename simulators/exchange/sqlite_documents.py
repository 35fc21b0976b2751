"""Documents and the tenders that they made, in the SQLite store."""

from __future__ import annotations

from collections.abc import Sequence

from simulators.exchange import audit, evidence, sqlite_index
from simulators.exchange.evidence import Stored
from simulators.exchange.ledger import TenderState
from simulators.exchange.names import name_hash
from simulators.exchange.rows import Document, Tender
from simulators.exchange.sqlite_upkeep import SqliteUpkeep, text_numbers


class SqliteDocuments(SqliteUpkeep):
    """Almost every key and name is new: the filters say so without a question to the file."""

    async def document(self, key_hash: int) -> tuple[Document, Stored] | None:
        if key_hash not in self._keys:
            return None
        found = self.all(sqlite_index.BY_KEY, key_hash, self._indexed)
        if not found:
            return None
        document = Document(*found[0])
        stored = await self.evidence(document.seq)
        return None if stored is None else (document, stored)

    async def evidence(self, document: int) -> Stored | None:
        found = self.all("SELECT body FROM evidence WHERE seq = ?", document)
        if found:
            return evidence.decode(found[0][0])
        for seqs, body in self.all(
            "SELECT seqs, body FROM pack WHERE last >= ? ORDER BY last LIMIT 1", document
        ):
            numbers = text_numbers(seqs)
            if document in numbers:
                return evidence.unpack(body)[numbers.index(document)]
        return None

    async def known(self, party: int, name: str, stream: bool, uids: Sequence[int]) -> set[int]:
        if not stream:
            seen = name_hash(party, name) in self._names or "." in name
            return {0} if seen and await self._find(party, name) is not None else set()
        names = {f"{name}.{uid}": uid for uid in uids}
        if not any(name_hash(party, known) in self._names for known in (name, *names)):
            return set()
        return {
            uid
            for tender_id, uid in names.items()
            if await self._find(party, tender_id) is not None
        }

    async def _find(self, party: int, tender_id: str) -> Tender | None:
        """A tender by its name: a single one, or an interval of a stream."""
        base, _, last = tender_id.rpartition(".")
        candidates = [(tender_id, 0)]
        if base and last.isascii() and last.isdigit():
            candidates.append((base, 1))
        for name, stream in candidates:
            if (hashed := name_hash(party, name)) not in self._names:
                continue
            known = self.all(sqlite_index.BY_NAME, hashed, self._indexed)
            for seq, *said in known:
                if said != [party, name, stream]:
                    continue
                found = await self._tender_of(seq, party, int(last) if stream else 0, tender_id)
                if found is not None:
                    return found
        return None

    async def _tender_of(self, seq: int, party: int, uid: int, tender_id: str) -> Tender | None:
        """By its row, and where that is no longer kept, by its document."""
        rows = self.all("SELECT * FROM tender WHERE document = ? AND uid = ?", seq, uid)
        if rows:
            return Tender(*rows[0])
        stored = await self.evidence(seq)
        said = () if stored is None else audit.accepted(seq, party, stored)
        return next((found.tender for found in said if found.tender_id == tender_id), None)

    async def tender(self, party: int, tender_id: str) -> TenderState | None:
        tender = await self._find(party, tender_id)
        if tender is None:
            return None
        key = tender.document, tender.uid
        canceled = self.all(
            "SELECT quantity, supervisory FROM cancel WHERE document = ? AND uid = ?", *key
        )
        (filled,) = self.all(
            "SELECT COALESCE(SUM(quantity), 0) FROM fill WHERE start = ? AND party = ?"
            " AND document = ? AND uid = ?",
            *(tender.start, party, *key),
        )
        said = tender.start, tender.buy, tender.price, tender.quantity, tender.expires_ms
        return TenderState(tender_id, *said, filled[0], *(canceled[0] if canceled else (0, 0)))

    async def signed_tender(self, party: int, tender_id: str) -> bytes | None:
        tender = await self._find(party, tender_id)
        stored = None if tender is None else await self.evidence(tender.document)
        return None if stored is None else stored.signed

    async def tenders(self) -> list[tuple[str, audit.Accepted]]:
        """For an auditor: every tender of every party, from the evidence alone, with its partyId."""
        found: list[tuple[str, audit.Accepted]] = []
        for seq, party, party_id in self.all(
            "SELECT d.seq, d.party, p.party_id FROM document d JOIN party p ON p.number = d.party"
            " WHERE d.name IS NOT NULL ORDER BY d.seq"
        ):
            stored = await self.evidence(seq)
            if stored is not None:
                found += [(party_id, one) for one in audit.accepted(seq, party, stored)]
        return found
