"""A home whose journal is put back to an older copy: what happened since is adopted, nothing repeats."""

from __future__ import annotations

import random
import shutil
from datetime import timedelta
from pathlib import Path

from gateway.domain.intervals import QUARTER
from gateway.market.exchanges import ExchangeAccess
from gateway.market.exchanges.cts import connect
from gateway.market.receipts import faults, keys_in, receipt_file
from gateway.market.reconcile import differences
from gateway.market.signing import read_credential
from gateway.store.journal import Journal
from simulators.exchange import ExchangeHandle
from simulators.exchange.access import rotate_key
from tests.hostile.liar import Liar
from tests.hostile.test_exchange import Home, play
from tests.market.values import T0


def test_what_the_older_copy_does_not_know_is_adopted(tmp_path: Path) -> None:
    async def story(honest: ExchangeHandle, liar: Liar, home: Home) -> None:
        await home.live(T0 + timedelta(hours=1))
        old = tmp_path / "old.sqlite"
        shutil.copy(home.path, old)
        await home.live(T0 + timedelta(hours=2, minutes=21))
        lost = Journal(home.path)
        lost_ids = {e.body["tender_id"] for e in lost.entries(kind="tender")}
        lost.close()
        for suffix in ("", "-wal", "-shm"):
            home.path.with_name(home.path.name + suffix).unlink(missing_ok=True)
        shutil.copy(old, home.path)
        await home.live(T0 + timedelta(hours=5))
        exchange = connect(ExchangeAccess(honest.url, "home", home.clock))
        fills = await exchange.transactions(0)
        settled = await exchange.settlements(T0, home.clock.now())
        await exchange.close()
        journal = Journal(home.path)
        journal.verify()
        book = journal.book
        assert book.disputes == {}
        assert differences(book, fills, settled, T0, home.clock.now()) == []
        texts = [e.body for e in journal.entries(kind="tender")]
        ids = [body["tender_id"] for body in texts]
        assert len(ids) == len(set(ids)), "no id is stored twice"
        assert {f.tender_id for f in fills} <= set(ids)
        adopted = set(ids) & lost_ids - {
            e.body["tender_id"] for e in Journal(old, read_only=True).entries(kind="tender")
        }
        assert adopted, "the exchange showed what we had signed"
        refused = [e.body for e in journal.entries(kind="answer") if not e.body["accepted"]]
        assert refused == [], "no tender of the second life is taken for one of the first"
        assert [t for t in book.transactions.values() if t.interval.start > T0 + 4 * 4 * QUARTER]
        journal.close()

    play(tmp_path, story)


def test_older_copies_again_and_again(tmp_path: Path) -> None:
    """Eight restores at random times of ten hours: no fill is lost or doubled, nothing is disputed."""
    rng = random.Random(7)

    async def story(honest: ExchangeHandle, liar: Liar, home: Home) -> None:
        at = T0 + timedelta(minutes=50)
        await home.live(at)
        for number in range(8):
            old = tmp_path / f"old-{number}.sqlite"
            shutil.copy(home.path, old)
            at += timedelta(minutes=rng.randint(3, 70))
            await home.live(at)
            for suffix in ("", "-wal", "-shm"):
                home.path.with_name(home.path.name + suffix).unlink(missing_ok=True)
            shutil.copy(old, home.path)
        await home.live(at + timedelta(hours=2))
        exchange = connect(ExchangeAccess(honest.url, "home", home.clock))
        fills = await exchange.transactions(0)
        settled = await exchange.settlements(T0, home.clock.now())
        await exchange.close()
        journal = Journal(home.path)
        journal.verify()
        assert journal.book.disputes == {}
        assert differences(journal.book, fills, settled, T0, home.clock.now()) == []
        ids = [e.body["tender_id"] for e in journal.entries(kind="tender")]
        assert len(ids) == len(set(ids))
        answers = [e.body for e in journal.entries(kind="answer")]
        assert all(a["accepted"] for a in answers), "no id is used twice at the exchange"
        assert honest.zero_sum_error == 0
        journal.close()

    play(tmp_path, story)


def test_a_key_that_was_changed_still_says_what_is_ours(tmp_path: Path) -> None:
    """The older copy's tenders were signed with the former key, and so were the first receipts."""

    async def story(honest: ExchangeHandle, liar: Liar, home: Home) -> None:
        await home.live(T0 + timedelta(hours=1))
        old = tmp_path / "old.sqlite"
        shutil.copy(home.path, old)
        await home.live(T0 + timedelta(hours=2, minutes=21))
        kid = rotate_key(honest.market, home.credential.parent, "home")
        credential = read_credential(home.credential)
        assert kid == credential.public_jwk()["kid"] == "home-2"
        assert [key["kid"] for key in credential.former] == ["home-1"]
        for suffix in ("", "-wal", "-shm"):
            home.path.with_name(home.path.name + suffix).unlink(missing_ok=True)
        shutil.copy(old, home.path)
        await home.live(T0 + timedelta(hours=5))
        exchange = connect(ExchangeAccess(honest.url, "home", home.clock))
        fills = await exchange.transactions(0)
        settled = await exchange.settlements(T0, home.clock.now())
        await exchange.close()
        journal = Journal(home.path)
        assert journal.book.disputes == {}
        assert differences(journal.book, fills, settled, T0, home.clock.now()) == []
        document = receipt_file(journal.rows(), credential.public_jwks())
        journal.close()
        ours, theirs = keys_in(document, "party"), keys_in(document, "exchange")
        assert [key["kid"] for key in ours] == ["home-2", "home-1"]
        assert faults(document, ours, theirs) == []
        by_one = [faults(document, [key], theirs) for key in ours]
        assert all(by_one), "each key has signed some of them"
        assert all("the party's signature" in line for lines in by_one for line in lines)

    play(tmp_path, story)
