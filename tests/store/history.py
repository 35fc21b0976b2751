"""A believable past of a trading home, written through the journal's own door."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from gateway.domain.intervals import QUARTER, Interval, iso
from gateway.domain.trade import Metered, Run, Settlement, Side, Tender, Transaction
from gateway.store.codec import metered_body, settlement_body, tender_body, transaction_body
from gateway.store.journal import Journal

T0 = datetime(2026, 6, 1, tzinfo=UTC)

Items = list[tuple[str, dict[str, Any]]]


def one_interval(number: int, rng: random.Random) -> Items:
    """About twelve entries: four tenders with their answers, a cancel, a fill, meter, settlement."""
    start = T0 + number * QUARTER
    interval = Interval(start, start + QUARTER)
    items: Items = []
    for i in range(4):
        name = f"t{number}-{i}"
        side = Side.SELL if i < 3 else Side.BUY
        tender = Tender(name, interval, side, rng.randint(5, 200) * 10, 100 * i, start)
        items.append(("tender", tender_body(tender)))
        answer = {"tender_id": name, "accepted": i != 2, "market_order_id": f"o{name}"}
        items.append(("answer", answer))
    items.append(("cancel", {"tender_id": f"t{number}-1"}))
    items.append(("cancelled", {"tender_id": f"t{number}-1", "success": True}))
    fill = Transaction(f"x{number}", number + 1, f"t{number}-0", interval, Side.SELL, 50, 4200)
    items.append(("transaction", transaction_body(fill)))
    net = rng.randint(-500, 500)
    metered = Metered(interval, max(-net, 0), max(net, 0), number, number)
    items.append(("metered", metered_body(metered)))
    items.append(("delivered", {"start": iso(start), "end": iso(interval.end)}))
    settled = Settlement(f"s{number}", interval, Run.PRELIM, 50, net, 40, 210_000, 5, 0, -7)
    items.append(("settlement", settlement_body(settled)))
    return items


def write_history(path: Path, days: int, checkpoint_every: int, seed: int = 1) -> int:
    """Write ``days`` of trading; the number of rows."""
    journal, rng = Journal(path, checkpoint_every=checkpoint_every), random.Random(seed)
    for number in range(days * 96):
        journal.append_all(one_interval(number, rng), T0 + number * QUARTER + timedelta(hours=1))
    seq = journal.head[0]
    journal.close()
    return seq
