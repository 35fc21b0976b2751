"""Settlement where the rows are: one interval of all parties in a few statements of SQL.

The same arithmetic as `simulators.exchange.settlement.settle_columns`, in whole numbers: nothing of
a party leaves the database, so a zone of a million parties is settled without loading any of them.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from simulators.exchange.cluster.position import OvertakenError
from simulators.exchange.ledger import Ledger
from simulators.exchange.postgres_ledger import PostgresLedger
from simulators.exchange.rows import to_s
from simulators.exchange.settlement import DEADBAND_PCT, DEADBAND_WH
from simulators.exchange.settlement_engine import SettlementEngine
from simulators.exchange.terms import LSE_PARTY

_TABLE = """
CREATE TEMP TABLE stated (party int, position bigint, metered bigint, estimated int, energy bigint,
  imbalance bigint, uncontracted bigint, fee bigint, reverses bigint) ON COMMIT DROP
"""
_ROWS = """
INSERT INTO stated WITH traded AS (
  SELECT party, SUM(CASE buy WHEN 0 THEN quantity ELSE -quantity END)::bigint AS net,
    SUM(CASE buy WHEN 0 THEN quantity ELSE -quantity END * price)::bigint AS energy
  FROM fill WHERE start = $1::int GROUP BY party),
metered AS (
  SELECT DISTINCT ON (party) party, export_wh - import_wh AS net FROM delivery
  WHERE start = $1 AND party != $2::int ORDER BY party, quality DESC, document DESC),
homes AS (
  SELECT party, COALESCE(t.net, 0) AS position, COALESCE(t.energy, 0) AS energy,
    COALESCE(m.net, t.net) AS metered, (m.net IS NULL)::int AS estimated
  FROM (SELECT * FROM traded WHERE party != $2) t FULL JOIN metered m USING (party)),
deviating AS (
  SELECT *, CASE WHEN position > 0 THEN GREATEST(metered, 0)
      WHEN position < 0 THEN LEAST(metered, 0) ELSE 0 END - position AS deviation,
    CASE WHEN position > 0 THEN 0 ELSE GREATEST(metered, 0) END AS surplus,
    GREATEST(ABS(position) * $6::bigint / 100, $7::bigint) AS allowed
  FROM homes),
owed AS (
  SELECT party, position, metered, estimated, energy, deviation * $3::bigint AS imbalance,
    surplus * $4::bigint AS uncontracted,
    CASE WHEN position = 0 OR (position > 0 AND deviation < 0
        AND EXISTS (SELECT 1 FROM waiver WHERE start = $1)) THEN 0
      ELSE -GREATEST(0, ABS(deviation) - allowed) * $5::bigint END AS fee
  FROM deviating),
standing AS (
  SELECT s.* FROM statement s WHERE s.start = $1 AND s.reverses IS NULL AND NOT EXISTS
    (SELECT 1 FROM statement r WHERE r.start = $1 AND r.party = s.party AND r.reverses = s.seq)),
retailer AS (
  SELECT $2::int AS party, COALESCE(t.net, 0) AS position, COALESCE(t.net, 0) AS metered,
    0 AS estimated, COALESCE(t.energy, 0) AS energy, -o.total AS imbalance,
    0::bigint AS uncontracted, 0::bigint AS fee
  FROM (SELECT COALESCE(SUM(imbalance + uncontracted + fee), 0)::bigint AS total FROM owed) o
  LEFT JOIN traded t ON t.party = $2
  WHERE t.party IS NOT NULL OR o.total != 0 OR EXISTS (SELECT 1 FROM standing WHERE party = $2)),
changed AS (
  SELECT n.*, s.seq AS former FROM (SELECT * FROM owed UNION ALL SELECT * FROM retailer) n
  LEFT JOIN standing s USING (party)
  WHERE s.seq IS NULL
    OR (s.position, s.metered, s.estimated, s.energy, s.imbalance, s.uncontracted, s.fee) IS DISTINCT FROM
      (n.position, n.metered, n.estimated, n.energy, n.imbalance, n.uncontracted, n.fee))
SELECT party, position, metered, estimated, energy, imbalance, uncontracted, fee,
  NULL::bigint AS reverses FROM changed
UNION ALL
SELECT s.party, -s.position, -s.metered, s.estimated, -s.energy, -s.imbalance, -s.uncontracted,
  -s.fee, s.seq FROM changed n JOIN standing s ON s.seq = n.former AND s.party = n.party
"""
_STORE = """
INSERT INTO statement SELECT $1::int, party, $2::bigint + row_number() OVER (ORDER BY party, reverses NULLS LAST),
  $2::bigint, position, metered, estimated, energy, imbalance, uncontracted, fee, reverses FROM stated
"""


class SettlementInPlace(SettlementEngine):
    """`SettlementEngine` whose statements are made by the database."""

    async def settle_one(self, start: int, run: str, when: datetime, ledger: Ledger) -> None:
        """See `SettlementEngine.settle_one`; OvertakenError where another process has settled it."""
        assert isinstance(ledger, PostgresLedger)  # noqa: S101 - a cluster has no other
        lse = self._parties.get(LSE_PARTY)
        rates, retailer = self.rates(start, when), -1 if lse is None else lse.number
        priced = rates.imbalance, rates.export, rates.fee

        async def work(db: Any) -> None:
            moved = await db.execute(
                "UPDATE mark SET value = $1 WHERE name = $2 AND value = $3",
                *(str(start), run, str(start - 1)),
            )
            if moved != "UPDATE 1":
                raise OvertakenError(f"{run} of {start} is settled by another process")
            await db.execute(_TABLE)
            await db.execute(_ROWS, start, retailer, *priced, DEADBAND_PCT, DEADBAND_WH)
            count = await db.fetchval("SELECT COUNT(*) FROM stated")
            if count:
                first = await ledger.reserve(count + 1)
                await db.execute(
                    "INSERT INTO run VALUES ($1, $2, $3, $4, $5)",
                    *(first, start, run, rates.imbalance, to_s(when)),
                )
                await db.execute(_STORE, start, first)

        await ledger.db.ask(ledger.db.transaction(work))
        self._marks[run] = str(start)
