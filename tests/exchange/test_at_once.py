"""What comes at the same moment, or twice, is decided as if one came after the other."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.clock import SimClock, pause
from simulators.exchange import ExchangeHandle
from tests.exchange.conftest import START, T, TestPrices, Wire, play
from tests.exchange.test_edge_settlement import END, PRELIM, reading, rows


@pytest.mark.usefixtures("each_store")
def test_of_readings_that_differ_one_is_taken(tmp_path: Path) -> None:
    """Until now all were that came before the first was stored, and the last of them counted."""

    async def story(wire: Wire, clock: SimClock, handle: ExchangeHandle) -> None:
        await clock.sleep_until(END)
        sent = [wire.post("deliver", reading(wh), key=f"{wh}") for wh in (500, 600, 600, 700)]
        answers = [status for status, _, _ in await asyncio.gather(*sent)]
        ((taken,),) = handle.store.all("SELECT export_wh FROM delivery")
        same = [status for status, wh in zip(answers, (500, 600, 600, 700), strict=True) if wh == taken]  # fmt: skip
        assert set(same) == {201}
        assert answers.count(409) == len(answers) - len(same)
        better = reading(800, "REVENUE", partyId="metering", meteredPartyId="home")
        assert (await wire.post("deliver", better, party="metering", key="r"))[0] == 201
        await clock.sleep_until(PRELIM)
        (row,) = await rows(wire)
        assert row["metered"] == 800

    play(tmp_path, story)


@pytest.mark.usefixtures("each_store")
def test_an_export_limit_may_be_published_again(tmp_path: Path) -> None:
    """An overlapping one could not be stored, and what was tendered at that moment was refused with it."""

    async def story(wire: Wire, clock: SimClock, handle: ExchangeHandle) -> None:
        await clock.sleep_until(T - timedelta(minutes=4))
        assert await handle.market.limit_exports(START, END) == 5
        assert await handle.market.limit_exports(T, END + timedelta(hours=1)) == 1
        assert handle.store.all("SELECT COUNT(*) FROM waiver")[0][0] == 5

    play(tmp_path, story)


@pytest.mark.usefixtures("each_store")
@pytest.mark.parametrize(
    ("side", "export_wh", "import_wh", "fee_wh"),
    [
        ("SELL", 0, 0, 0),  # a seller's shortfall
        ("SELL", 3_000, 0, 900),  # more than was sold is not what the limit forbids
        ("BUY", 0, 0, 1_900),  # neither is it to take less than was bought
    ],
)
def test_an_export_limit_frees_a_sellers_shortfall_only(
    tmp_path: Path, side: str, export_wh: int, import_wh: int, fee_wh: int
) -> None:
    async def story(wire: Wire, clock: SimClock, handle: ExchangeHandle) -> None:
        price = 2_000 if side == "SELL" else 9_000
        assert (await wire.tender("t1", side, 2_000, price))[0] == 201
        await clock.sleep_until(T - timedelta(minutes=4))
        assert await handle.market.limit_exports(T, END) == 1
        await clock.sleep_until(END)
        counted = reading(export_wh, importQuantity=import_wh)
        assert (await wire.post("deliver", counted, key="d"))[0] == 201
        await clock.sleep_until(PRELIM)
        (row,) = await rows(wire)
        assert abs(row["position"]) == 2_000
        assert row["feeMoney"] == -fee_wh * 2_000
        assert handle.zero_sum_error == 0

    play(tmp_path, story, prices=TestPrices(30, 40))


def test_nothing_rests_of_a_party_that_the_store_calls_revoked(tmp_path: Path) -> None:
    """Whenever the exchange is killed: a revoked party that traded on would be found only by its fills."""

    async def story(wire: Wire, clock: SimClock, handle: ExchangeHandle) -> None:
        assert (await wire.tender("t1", "SELL", 1_000, 7_000))[0] == 201
        revoking = asyncio.get_running_loop().create_task(handle.market.revoke("home"))
        seen: list[tuple[int, int]] = []
        with closing(sqlite3.connect(tmp_path / "exchange.db")) as after_a_kill:
            while not seen or seen[-1] != (1, 1):
                await pause(0)
                seen += after_a_kill.execute(
                    "SELECT revoked, (SELECT COUNT(*) FROM cancel WHERE supervisory)"
                    " FROM party WHERE party_id = 'home'"
                ).fetchall()
        assert (1, 0) not in seen
        assert await revoking == 1

    play(tmp_path, story)
