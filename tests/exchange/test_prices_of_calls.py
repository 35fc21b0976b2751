"""Every call's clearing price is published: whoever filled nothing learns it too."""

from datetime import timedelta
from pathlib import Path

import pytest

from gateway.clock import SimClock
from gateway.domain.intervals import iso
from simulators.exchange import ExchangeHandle
from tests.exchange.conftest import START, T, Wire, play

pytestmark = pytest.mark.usefixtures("each_store")

SPAN = {"start": iso(T), "end": iso(T + timedelta(minutes=15))}


def test_a_home_that_filled_nothing_learns_the_price(tmp_path: Path) -> None:
    async def story(wire: Wire, clock: SimClock, handle: ExchangeHandle) -> None:
        _, before = await wire.get("prices", **SPAN)
        assert before["prices"][0]["clearingPrice"] is None
        await wire.tender("dear", "SELL", 1_000, 7_000)
        await wire.tender("cheap", "SELL", 1_000, 2_000, party="home-2")
        await wire.tender("b", "BUY", 1_000, 6_000, party="fleet-depot")
        await clock.sleep_until(START + timedelta(minutes=5, seconds=1))
        _, mine = await wire.get("transactions", after="0")
        assert mine["transactions"] == []
        _, theirs = await wire.get("transactions", party="home-2", after="0")
        price = theirs["transactions"][0]["tender"]["tenderDetail"]["price"]
        (second,) = (await wire.get("calls", **SPAN))[1]["calls"]
        assert (second["clearingPrice"], second["clearedQuantity"]) == (price, 1_000)
        assert second["callTime"] == iso(START + timedelta(minutes=5))
        _, found = await wire.get("calls", after="0")
        assert second in found["calls"]
        _, rest = await wire.get("calls", after=str(found["last"]))
        assert rest["calls"] == []
        _, after = await wire.get("prices", **SPAN)
        (row,) = after["prices"]
        assert (row["clearingPrice"], row["callTime"]) == (price, second["callTime"])

    play(tmp_path, story)


def test_a_call_without_a_cross_has_no_price(tmp_path: Path) -> None:
    async def story(wire: Wire, clock: SimClock, handle: ExchangeHandle) -> None:
        await clock.sleep_until(START + timedelta(minutes=6))
        _, found = await wire.get("calls", **SPAN)
        assert [call["clearingPrice"] for call in found["calls"]] == [None]
        _, none = await wire.get("calls")
        assert none["title"] == "malformed"

    play(tmp_path, story)
