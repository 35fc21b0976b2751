"""Edge cases 10 to 12 of the market's specification, and the error table, over HTTP."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.clock import SimClock
from gateway.domain.intervals import iso
from simulators.exchange import ExchangeHandle, Terms
from simulators.exchange.rows import to_quarter
from tests.exchange.conftest import START, T, TestPrices, Wire, play, tender_body

pytestmark = pytest.mark.usefixtures("each_store")

END = T + timedelta(minutes=15)
PRELIM = T + timedelta(minutes=31)
FINAL = T + timedelta(hours=24, minutes=1)


async def sold(wire: Wire, clock: SimClock, quantity: int = 2_000) -> None:
    """The home sells to the retailer at 27 USD/MWh; time stands after the interval's end."""
    status, _, _ = await wire.tender("t1", "SELL", quantity, 2_000)
    assert status == 201
    await clock.sleep_until(END + timedelta(minutes=1))


def reading(export_wh: int, quality: str = "MEASURED", **more: Any) -> dict[str, Any]:
    return {
        "requestId": "d",
        "partyId": "home",
        "measurementPointId": "m1",
        "interval": {"dtStart": iso(T), "duration": "PT15M"},
        "importQuantity": 0,
        "exportQuantity": export_wh,
        "importRegister": 0,
        "exportRegister": export_wh,
        "quality": quality,
    } | more


async def rows(wire: Wire, run: str | None = None) -> list[dict[str, Any]]:
    query = {} if run is None else {"run": run}
    status, found = await wire.get("settlements", start=iso(T), end=iso(END), **query)
    assert status == 200
    return list(found["settlements"])


def test_10_final_before_prelim_and_replays_change_nothing(tmp_path: Path) -> None:
    async def story(wire: Wire, clock: SimClock, handle: ExchangeHandle) -> None:
        await sold(wire, clock)
        await wire.post("deliver", reading(2_000), key="d")
        settlement, quarter = handle.market.settlement, to_quarter(T)
        await settlement.settle_through("FINAL", quarter, clock.now(), handle.store)
        assert await rows(wire) == []
        await clock.sleep_until(PRELIM)
        (prelim,) = await rows(wire)
        ledger = handle.ledger()
        await settlement.settle_through("PRELIM", quarter, clock.now(), handle.store)
        await handle.settle_all(END)
        await clock.sleep_until(FINAL)
        assert await rows(wire) == [prelim]  # FINAL found nothing to correct
        assert handle.ledger() == ledger

    play(tmp_path, story)


def test_10_a_correction_is_a_reversal(tmp_path: Path) -> None:
    async def story(wire: Wire, clock: SimClock, handle: ExchangeHandle) -> None:
        await sold(wire, clock)
        await wire.post("deliver", reading(2_000), key="d")
        await clock.sleep_until(PRELIM)
        revenue = reading(1_900, "REVENUE", partyId="metering", meteredPartyId="home")
        status, _, _ = await wire.post("deliver", revenue, party="metering", key="r")
        assert status == 201
        await clock.sleep_until(FINAL)
        prelim, reversal, final = await rows(wire)
        assert [r["run"] for r in (prelim, reversal, final)] == ["PRELIM", "FINAL", "FINAL"]
        assert reversal["reverses"] == prelim["settlementId"]
        for name in ("energyMoney", "imbalanceMoney", "feeMoney", "position", "metered"):
            assert reversal[name] == -prelim[name]
        assert (final["metered"], final["imbalanceMoney"]) == (1_900, -100 * 4_000)
        assert handle.ledger()["home"] == 2_000 * 2_700 - 100 * 4_000
        assert handle.zero_sum_error == 0
        assert await rows(wire, "FINAL") == [reversal, final]

    play(tmp_path, story)


def test_11_revoked_party(tmp_path: Path) -> None:
    async def story(wire: Wire, clock: SimClock, handle: ExchangeHandle) -> None:
        await wire.tender("t1", "SELL", 1_000, 2_000)
        await clock.sleep_until(START + timedelta(minutes=6))
        await wire.tender("t2", "SELL", 1_000, 7_000)
        headers = {"Authorization": "Bearer insecure:home"}
        async with wire.session.ws_connect(f"{wire.url}/cts/ticker", headers=headers) as socket:
            assert await handle.market.revoke("home") == 1
            closing = await socket.receive()
            assert closing.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED)
            assert socket.close_code == aiohttp.WSCloseCode.POLICY_VIOLATION
        status, problem, _ = await wire.tender("t3", "SELL", 100, 7_000)
        assert (status, problem["title"], problem["ordRejReason"]) == (403, "party-revoked", 15)
        _, found = await wire.get("tenders", tenderId="t2")
        assert found["tenders"][0]["cancelReason"] == "SUPERVISORY"
        await clock.sleep_until(END + timedelta(minutes=1))
        assert (await wire.post("deliver", reading(1_000), key="d"))[0] == 201
        await clock.sleep_until(PRELIM)
        (row,) = await rows(wire)
        assert row["energyMoney"] == 1_000 * 2_700

    play(tmp_path, story)


@pytest.mark.parametrize(("metered", "fee_wh"), [(1_900, 0), (1_899, 1), (0, 1_900)])
def test_12_shortfall_and_the_edge_of_the_deadband(
    tmp_path: Path, metered: int, fee_wh: int
) -> None:
    async def story(wire: Wire, clock: SimClock, handle: ExchangeHandle) -> None:
        await sold(wire, clock)
        await wire.post("deliver", reading(metered), key="d")
        await clock.sleep_until(PRELIM)
        (row,) = await rows(wire)
        assert row["imbalanceMoney"] == (metered - 2_000) * 4_000
        assert row["feeMoney"] == -fee_wh * 2_000
        assert handle.zero_sum_error == 0

    play(tmp_path, story)


def test_12_an_export_limit_after_the_gate_waives_the_fee(tmp_path: Path) -> None:
    async def story(wire: Wire, clock: SimClock, handle: ExchangeHandle) -> None:
        await wire.tender("t1", "SELL", 2_000, 2_000)
        later = T + timedelta(minutes=30)
        await wire.tender("t2", "SELL", 2_000, 2_000, start=later)
        await clock.sleep_until(T - timedelta(minutes=4))
        assert await handle.market.limit_exports(T, later + timedelta(minutes=15)) == 1
        await clock.sleep_until(END)
        await wire.post("deliver", reading(0), key="d1")
        await clock.sleep_until(later + timedelta(minutes=16))
        second = reading(0, interval={"dtStart": iso(later), "duration": "PT15M"})
        await wire.post("deliver", second, key="d2")
        await clock.sleep_until(later + timedelta(minutes=31))
        _, found = await wire.get(
            "settlements", start=iso(T), end=iso(later + timedelta(minutes=15))
        )
        waived, charged = found["settlements"]
        assert (waived["imbalanceMoney"], waived["feeMoney"]) == (-2_000 * 4_000, 0)
        # the limit of the second interval was known before its gate
        assert charged["feeMoney"] == -1_900 * 2_000

    play(tmp_path, story)


def test_12_a_missing_reading_is_estimated_then_trued_up(tmp_path: Path) -> None:
    async def story(wire: Wire, clock: SimClock, handle: ExchangeHandle) -> None:
        await sold(wire, clock)
        await clock.sleep_until(PRELIM)
        (row,) = await rows(wire)
        assert (row["estimated"], row["metered"], row["imbalanceMoney"]) == (True, 2_000, 0)
        await clock.sleep_until(FINAL)
        assert len(await rows(wire)) == 1
        assert (await wire.post("deliver", reading(1_500), key="d"))[0] == 201
        await clock.sleep_until(T + timedelta(days=2, minutes=1))
        _, reversal, trueup = await rows(wire)
        assert (reversal["run"], trueup["run"]) == ("TRUEUP", "TRUEUP")
        assert (trueup["estimated"], trueup["metered"]) == (False, 1_500)
        assert handle.zero_sum_error == 0

    play(tmp_path, story, terms=Terms(trueup_after=timedelta(days=2)))


def test_readings_are_kept_once(tmp_path: Path) -> None:
    async def story(wire: Wire, clock: SimClock, handle: ExchangeHandle) -> None:
        status, problem, _ = await wire.post("deliver", reading(5), key="early")
        assert (status, problem["title"]) == (409, "conflict")
        await clock.sleep_until(END)
        assert (await wire.post("deliver", reading(5, "ESTIMATED"), key="1"))[0] == 201
        assert (await wire.post("deliver", reading(5, "ESTIMATED"), key="2"))[0] == 201
        assert (await wire.post("deliver", reading(6, "ESTIMATED"), key="3"))[0] == 409
        assert (await wire.post("deliver", reading(7), key="4"))[0] == 201
        assert (await wire.post("deliver", reading(8), key="5"))[0] == 409
        assert (await wire.post("deliver", reading(8, "REVENUE"), key="6"))[0] == 403

    play(tmp_path, story)


def test_uncontracted_surplus_gets_the_export_price(tmp_path: Path) -> None:
    async def story(wire: Wire, clock: SimClock, handle: ExchangeHandle) -> None:
        await clock.sleep_until(END)
        await wire.post("deliver", reading(800), key="d")
        await clock.sleep_until(PRELIM)
        (row,) = await rows(wire)
        assert (row["uncontractedMoney"], row["feeMoney"]) == (800 * 2_700, 0)
        assert handle.ledger() == {"home": 800 * 2_700, "lse": -800 * 2_700}

    play(tmp_path, story, prices=TestPrices(30, 9_000))


def test_a_halted_market(tmp_path: Path) -> None:
    async def story(wire: Wire, clock: SimClock, handle: ExchangeHandle) -> None:
        await wire.tender("t1", "SELL", 1_000, 2_000)
        await handle.market.halt()
        status, problem, headers = await wire.tender("t2", "SELL", 1_000, 2_000)
        assert (status, problem["title"], problem["ordRejReason"]) == (503, "halted", 2)
        assert int(headers["Retry-After"]) > 0
        await clock.sleep(600)
        _, found = await wire.get("transactions", after="0")
        assert found["transactions"] == []
        await handle.market.resume()
        assert (await wire.tender("t2", "SELL", 1_000, 2_000))[0] == 201  # the same key as before
        await clock.sleep(600)
        _, found = await wire.get("transactions", after="0")
        assert len(found["transactions"]) == 2

    play(tmp_path, story)


def test_the_error_table(tmp_path: Path) -> None:
    async def story(wire: Wire, clock: SimClock, handle: ExchangeHandle) -> None:
        good = tender_body("t", "SELL", 100, 6_000)
        detail = good["tender"]["tenderDetail"]

        def changed(**more: Any) -> dict[str, Any]:
            return good | {"tender": good["tender"] | more}

        def at(start: str) -> dict[str, Any]:
            return changed(tenderDetail=detail | {"interval": {"dtStart": start}})

        cases: list[tuple[dict[str, Any] | bytes, int, str, int | None]] = [
            (b"", 400, "malformed", None),
            (b"[]", 400, "malformed", None),
            (b"\xff\xfe", 400, "malformed", None),
            (b"[" * 5_000, 400, "malformed", None),
            (changed(side="LEND"), 400, "malformed", None),
            (changed(tenderId=""), 400, "malformed", None),
            (changed(expirationTime="2026-06-01T12:30:00"), 400, "malformed", None),
            (good | {"partyId": "fleet-depot"}, 403, "party-mismatch", None),
            (good | {"marketId": "nowhere"}, 404, "unknown-instrument", 1),
            (at("2026-06-01T13:05:00Z"), 404, "unknown-instrument", 1),
            (at("2026-06-03T13:00:00Z"), 404, "unknown-instrument", 1),
            (at("2026-06-01T11:00:00Z"), 409, "gate-closed", 4),
            (changed(allOrNone=True), 422, "unsupported", 11),
            (changed(expirationTime=iso(START)), 422, "expired", 4),
        ]
        for number, (body, status, title, reject) in enumerate(cases):
            got, problem, headers = await wire.post("createTender", body, key=f"k{number}")
            assert (got, problem["title"], problem["ordRejReason"]) == (status, title, reject)
            assert headers["Content-Type"].startswith("application/problem+json")
            assert problem["serverTime"] == iso(clock.now())
        got, problem, _ = await wire.post("createTender", good, key=None)
        assert (got, problem["title"]) == (400, "missing-idempotency-key")
        got, problem, _ = await wire.post("nothing", good)
        assert (got, problem["title"]) == (404, "not-found")
        got, _, _ = await wire.post("createTender", b"x" * 300_000)
        assert got == 413
        assert (await wire.get("transactions", after="-1"))[0] == 400
        assert (await wire.get("settlements", start=iso(T), end=iso(T)))[0] == 400
        assert (await wire.get("prices", start="now", end=iso(T)))[0] == 400
        assert handle.store.all("SELECT * FROM tender") == []

    play(tmp_path, story)
