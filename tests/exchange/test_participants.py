"""The participants' own decisions: pure, seeded, and each with its peculiar limit."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest

from gateway.clock import SimClock
from gateway.domain.intervals import QUARTER
from gateway.errors import ConfigError
from simulators.exchange import ExchangeHandle, last_held
from simulators.participants import default_needs, start_participants
from simulators.participants.cars import makers
from simulators.participants.charging_site import ChargingSite
from simulators.participants.client import Posted
from simulators.participants.data_centre import DataCentre, power_w, read_roadmap
from simulators.participants.fleet import FleetDepot
from simulators.participants.meter import Meter
from simulators.participants.night_plan import NightPlan
from simulators.participants.other_home import OtherHome
from simulators.participants.trader import View
from tests.exchange.conftest import Wire, play

EVENING = datetime(2026, 6, 1, 23, tzinfo=UTC)  # 18:00 in Texas


def view(
    retail: list[int], first: datetime = EVENING, traded: Mapping[datetime, int] | None = None
) -> View:
    posted = [Posted(price, price - 4_800, price - 4_500, None) for price in retail]
    return View(first, posted, traded or {})


def week(site: ChargingSite) -> int:
    return sum(site.demand_wh(EVENING + n * QUARTER) for n in range(96 * 7))


def test_adoption_of_nacs_fills_a_site_and_a_site_without_serves_its_own_make() -> None:
    sold = [
        week(ChargingSite("s", 3, stalls=99, traffic=makers(adoption)))
        for adoption in (0.0, 0.5, 1.0)
    ]
    assert sold[0] < sold[1] < sold[2]
    own = ChargingSite("s", 3, stalls=99, nacs=False, traffic=makers(1.0))
    assert week(own) == pytest.approx(sold[2] * 0.45, rel=0.1)
    assert {c.maker for n in range(96) for c in own.served(EVENING + n * QUARTER)} == {"maker-a"}
    assert week(ChargingSite("s", 3)) == week(ChargingSite("s", 3))
    assert week(ChargingSite("s", 3)) != week(ChargingSite("s", 4))


def test_a_site_pays_less_than_retail_until_its_last_chance() -> None:
    (bids,) = ChargingSite("s", 3).tranches(view([8_000] * 4))
    assert bids[0].price == 8_000
    assert [b.price for b in bids] == sorted((b.price for b in bids), reverse=True)
    assert bids[1].price <= 7_500


def test_the_depot_takes_the_cheapest_intervals_and_only_what_it_needs() -> None:
    depot = FleetDepot("f", 1)
    departure = depot.departure(EVENING)
    assert departure == datetime(2026, 6, 2, 10, tzinfo=UTC)
    prices = [5_000 + (n * 37) % 100 for n in range(44)]
    seen = view(prices)
    chosen = depot.choose(seen, departure)
    assert sum(chosen.values()) == depot.need_wh(departure)
    dearest = max(prices[(s - EVENING) // QUARTER] for s in chosen)
    unused = [p for n, p in enumerate(prices) if EVENING + n * QUARTER not in chosen]
    assert dearest <= min(unused)
    assert depot.departure(datetime(2026, 6, 2, 15, tzinfo=UTC)) is None


def test_the_depot_knows_by_its_fills_what_it_has_charged() -> None:
    """So one that was started again buys what it would have bought."""
    depot = FleetDepot("f", 1)
    departure = depot.departure(EVENING)
    assert departure is not None
    later = EVENING + 4 * QUARTER
    traded = {EVENING + n * QUARTER: 60_000 for n in range(4)}
    chosen = depot.choose(view([5_000] * 40, later, traded), departure)
    charged = sum(depot.metered(start, wh)[0] for start, wh in list(traded.items())[:3])
    assert sum(chosen.values()) == depot.need_wh(departure) - charged - traded[later - QUARTER]


def test_the_depot_pays_any_price_when_time_runs_out() -> None:
    depot = FleetDepot("f", 1)
    late = datetime(2026, 6, 2, 9, 15, tzinfo=UTC)  # three quarter-hours are left
    (bids,) = depot.tranches(view([9_000] * 44, late))
    assert bids[0].price == depot.cap
    assert bids[0].quantity == depot.power_w // 4
    assert bids[3].quantity == 0  # the vans are gone


def test_training_pauses_above_its_price_and_ramps() -> None:
    centre = DataCentre("d", 1)
    full = power_w((), date(2026, 6, 1)) // 4
    assert full * 4 == 11_112 * 15_000
    running = {EVENING - QUARTER: full}
    must, may = centre.tranches(view([20_000] * 4, traded=running))
    steps = [full - must[0].quantity] + [a.quantity - b.quantity for a, b in pairwise(must)]
    assert steps == [full // 4, full // 4, full // 4, full * 15 // 100]  # down to its base
    assert max(b.price for b in may) <= centre.stop_price
    must, may = centre.tranches(view([8_000] * 4))
    wanted = [a.quantity + b.quantity for a, b in zip(must, may, strict=True)]
    assert wanted == sorted(wanted)
    assert wanted[0] <= full * (centre.base_pct + centre.ramp_pct) // 100
    assert wanted[3] == full


def test_the_roadmap_file(tmp_path: Path) -> None:
    path = tmp_path / "roadmap.csv"
    path.write_text("date,exaflops\n2026-01-01,9\n2026-07-01,18\n")
    roadmap = read_roadmap(path)
    assert power_w(roadmap, date(2025, 12, 31)) == 0
    assert power_w(roadmap, date(2026, 6, 30)) == 1_000 * 15_000
    assert power_w(roadmap, date(2026, 7, 1)) == 2_000 * 15_000
    for text, wrong in (
        ("date,exaflops\n2026-01-01,x\n", "row 2"),
        ("date,exaflops\n2026-01-01,1\n2025-01-01,2\n", "row 3"),
        ("", "is empty"),
        ("day,size\n1,2\n", "row 2"),
    ):
        path.write_text(text)
        with pytest.raises(ConfigError, match=wrong):
            read_roadmap(path)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_roadmap(tmp_path / "none.csv")


@pytest.mark.parametrize(
    ("evening", "quarters"),
    [(date(2026, 6, 1), 32), (date(2027, 3, 13), 28), (date(2027, 11, 6), 36)],
)
def test_nights_of_daylight_saving(evening: date, quarters: int) -> None:
    plan = NightPlan("n", 1)
    night = list(plan.window(evening))
    assert len(night) == len(set(night)) == quarters
    assert all(plan.in_window(start) and plan.forecast_wh(start) > 0 for start in night)
    assert not plan.in_window(night[0] - QUARTER)
    assert not plan.in_window(night[-1] + QUARTER)


def test_the_night_plans_fee() -> None:
    assert NightPlan("n", 1, homes=40).fees() == 1_200
    assert NightPlan("n", 1, homes=2, monthly_fee=Decimal("14.50")).fees(2) == 58


def test_another_home_sells_less_than_it_expects() -> None:
    home = OtherHome("h", 5)
    noon = datetime(2026, 6, 1, 18, tzinfo=UTC)
    (bids,) = home.tranches(view([8_000] * 4, noon))
    assert 0 < bids[0].quantity < home.net_wh(noon)
    assert bids[0].price == 3_200  # the export price at the last chance
    assert bids[3].price > bids[0].price
    midnight = datetime(2026, 6, 2, 6, tzinfo=UTC)
    (bids,) = home.tranches(view([8_000] * 4, midnight))
    assert not any(b.quantity for b in bids)
    assert home.metered(midnight, 0)[1] == 0


def test_they_sign_and_trade_over_tls(tmp_path: Path) -> None:
    async def story(wire: Wire, clock: SimClock, handle: ExchangeHandle) -> None:
        others = await start_participants(
            clock,
            wire.group,
            handle.url,
            1,
            credentials=handle.state_dir / "credentials",
            ca_file=handle.ca_file,
        )
        await clock.sleep_until(EVENING + timedelta(hours=2))
        await others.close()
        store = handle.store
        documents = [seq for (seq,) in store.all("SELECT DISTINCT document FROM tender")]
        evidence = [await store.evidence(seq) for seq in documents]
        assert len(evidence) > 20
        assert all(found is not None and found.signed for found in evidence)
        assert store.all("SELECT 1 FROM fill")

    play(tmp_path, story, start=EVENING, insecure=False)


def test_an_exchange_that_is_started_again_within_a_quarter_hour_refuses_nobody(
    tmp_path: Path,
) -> None:
    """It goes on at its last call time, 22:05, so what was reported and tendered at 22:08 is said again."""
    begin = datetime(2026, 6, 2, 1, tzinfo=UTC)  # 20:00 in Texas: the vans are plugged in
    said: list[set[tuple[object, ...]]] = []

    def live(start: datetime, end: datetime) -> None:
        async def story(wire: Wire, clock: SimClock, handle: ExchangeHandle) -> None:
            others = await start_participants(
                clock, wire.group, handle.url, 1, meters=tmp_path / "meters"
            )
            await clock.sleep_until(end)
            await others.close()
            seen = handle.market.activity
            for need in default_needs(1):
                asked = seen.of(need.party_id)
                assert asked is not None, need.party_id
                refused = {k for k in asked.refused if not k.startswith("interval-")}
                assert not refused, need.party_id
            await handle.settle_all(clock.now())
            assert handle.zero_sum_error == 0
            found = handle.store.all("SELECT start, party, import_wh, export_wh FROM delivery")
            said.append(set(found))

        play(tmp_path / "state", story, start=start)

    live(begin, begin + timedelta(hours=2, minutes=9))
    again = last_held(tmp_path / "state")
    assert again == begin + timedelta(hours=2, minutes=5)
    live(again, begin + timedelta(hours=2, minutes=24))
    before, after = said
    assert before < after  # a quarter-hour more, and what was there is as it was
    assert len(after) == len({row[:2] for row in after})


def test_a_meter_counts_an_interval_once_and_its_registers_never_begin_again(
    tmp_path: Path,
) -> None:
    file = tmp_path / "meters" / "home.json"
    first = Meter(file).count(EVENING, 100, 0)
    meter = Meter(file)
    assert meter.count(EVENING, 999, 999) == first
    second = meter.count(EVENING + QUARTER, 0, 40)
    assert (second.import_register, second.export_register) == (100, 40)
    file.write_bytes(b"")  # of a power cut
    assert Meter(file).count(EVENING, 7, 0).import_register == 7
