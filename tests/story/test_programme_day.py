"""A home in a programme: a dear evening by its prices, a limit at the meter, an event that is taken back, a dispatch."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from statistics import fmean

from gateway.domain.intervals import iso, quarter_of, quarters
from gateway.guard.limit_log import rows
from simulators.demo.options import START, Options
from simulators.demo.world import World, run_world
from tests.openadr.vtn import CLIENT, SECRET, SmallVtn, event, small_vtn

HOUR = timedelta(hours=1)
MIDNIGHT = START  # in Austin
AFTERNOON = MIDNIGHT + timedelta(hours=16)


def prices(day: datetime) -> dict[str, object]:
    """Cheap at night, dear from 17 to 21 o'clock; what is fed in earns a little less."""
    dear = range(17, 21)
    hours = [0.45 if h in dear else 0.12 for h in range(24)]
    said = event("prices", "PRICE", hours, iso(day), duration="P3D")
    for hour, interval in enumerate(said["intervals"]):
        interval["payloads"].append({"type": "EXPORT_PRICE", "values": [hours[hour] - 0.05]})
    said["payloadDescriptors"] = [
        {"objectType": "EVENT_PAYLOAD_DESCRIPTOR", "payloadType": kind, "units": "KWH", "currency": "USD"}
        for kind in ("PRICE", "EXPORT_PRICE")
    ]  # fmt: skip
    return said


async def test_a_day_in_a_programme(tmp_path: Path) -> None:
    async with small_vtn() as vtn:
        await _a_day(vtn, tmp_path)


def _told_w(world: World) -> list[float]:
    """The programme's limits of exports that the guard keeps."""
    report = world.gateway.agent.keeper.state.report
    held = () if report is None else report.operator
    theirs = [r.limit_w for r in held if (r.direction, r.source) == ("export", "programme")]
    return [w for w in theirs if w is not None]


def _tables(vtn: SmallVtn, folder: Path) -> dict[str, object]:
    """Its prices as feeds, and what it pays for what is given to the grid."""
    secret, key = folder / "secret", folder / "key"
    secret.write_text(SECRET)
    key.write_text(json.dumps({"client_id": CLIENT, "client_secret": SECRET}))
    for file in (secret, key):
        file.chmod(0o600)
    feeds = [
        {"name": name, "provider": "openadr", "url": vtn.url, "key_file": key, "product": product}
        for name, product in (("bought", "PRICE"), ("sold", "EXPORT_PRICE"))
    ]
    programme = {
        "url": vtn.url, "client_id": CLIENT, "secret_file": secret, "credit_per_kwh": "1", "credit_for": "export",
    }  # fmt: skip
    followed = {
        f"{side}_price": {"kind": "published", "feed": name}
        for side, name in (("import", "bought"), ("export", "sold"))
    }
    return {
        "programme": programme,
        "price_feed": feeds,
        "tariff": {"currency": "USD", **followed},
    }


async def _a_day(vtn: SmallVtn, folder: Path) -> None:
    vtn.events = [
        prices(MIDNIGHT),
        event("no-sale", "EXPORT_CAPACITY_LIMIT", [0.5], iso(MIDNIGHT + 17 * HOUR), "PT1H"),
        event("later", "EXPORT_CAPACITY_LIMIT", [0], iso(MIDNIGHT + 19 * HOUR), "PT2H"),
    ]
    ended: list[bool] = []

    async def referee(world: World) -> None:
        await world.play(MIDNIGHT + timedelta(hours=17, minutes=2), lambda _: None)
        _planned_for(world)
        await _a_limit_holds_for_its_hour(world)
        vtn.events.pop()
        await world.play(MIDNIGHT + timedelta(hours=19, minutes=5), lambda _: None)
        assert _told_w(world) == [], "the event was taken back in time"
        await _a_dispatch_is_paid(world, vtn)
        ended.append(True)

    tables = _tables(vtn, folder)
    await run_world(Options(exchange=False, start=AFTERNOON, tables=tables), folder, referee)
    assert ended
    record = [r for r in rows(folder / "gateway") if r["source"] == "programme" and r["limit_w"]]
    assert [(r["direction"], r["limit_w"]) for r in record] == [("export", "500")]


def _planned_for(world: World) -> None:
    plan = world.gateway.agent.keeper.state.plan
    assert plan is not None
    later = [c for c in plan.schedule if 19 <= (c.interval.start - MIDNIGHT) / HOUR < 21]
    assert len(later) == 8
    assert all(c.grid_wh >= min(c.load_wh - c.pv_wh, 0) - 1 for c in later), (
        "no battery is planned into the hours in which nothing may be fed in, though they are dear"
    )


async def _a_limit_holds_for_its_hour(world: World) -> None:
    held: list[float] = []
    await world.play(
        MIDNIGHT + 18 * HOUR - timedelta(seconds=30),
        lambda _: held.append(-world.home.powers().grid),
    )
    assert fmean(held) <= 500, "what the battery would have earned most by is not let out"
    assert max(held) <= 1_000, "but for a load that ended between two looks, 10 s apart"
    assert _told_w(world) == [500]
    sold: list[float] = []
    await world.play(
        MIDNIGHT + timedelta(hours=18, minutes=45),
        lambda _: sold.append(-world.home.powers().grid),
    )
    assert max(sold) > 1_200, "then it sells at the dear hour's price"
    quarter = quarter_of(world.clock.now())
    assert world.gateway.agent.keeper.state.published(quarter) == (450, 400)


async def _a_dispatch_is_paid(world: World, vtn: SmallVtn) -> None:
    called = MIDNIGHT + timedelta(hours=19, minutes=15)
    vtn.events.append(event("called", "DISPATCH_SETPOINT", [-1.5], iso(called), "PT30M"))
    await world.play(called + timedelta(minutes=33), lambda _: None)
    book = world.gateway.agent.journal.book
    for quarter in quarters(called, called + timedelta(minutes=30)):
        assert abs(book.metered[quarter.start].net_wh - 375) <= 20, "it is delivered"
        paid = book.credits[quarter.start]
        assert paid["paid_wh"] == min(book.metered[quarter.start].net_wh, 375)
        assert paid["money"] == paid["paid_wh"] * 10**5


async def test_nothing_is_sold_that_an_announced_limit_will_not_let_out(tmp_path: Path) -> None:
    """At noon the surplus sells; from one to two it may not leave the home, and that is known when it is offered."""
    secret = tmp_path / "secret"
    secret.write_text(SECRET)
    secret.chmod(0o600)
    start, shut = MIDNIGHT + timedelta(hours=12), MIDNIGHT + timedelta(hours=13)
    sold: dict[datetime, int] = {}

    async def referee(world: World) -> None:
        await world.play(shut + timedelta(minutes=90), lambda _: None)
        book = world.gateway.agent.journal.book
        for quarter in quarters(start, shut + timedelta(minutes=90)):
            sold[quarter.start] = book.commitment(quarter)

    async with small_vtn() as vtn:
        vtn.events = [event("no-sale", "EXPORT_CAPACITY_LIMIT", [0], iso(shut), "PT1H")]
        programme = {"url": vtn.url, "client_id": CLIENT, "secret_file": secret}
        tables = {"programme": programme}
        await run_world(Options(start=start, tables=tables), tmp_path, referee)
    inside = [wh for at, wh in sold.items() if shut <= at < shut + timedelta(hours=1)]
    assert inside == [0, 0, 0, 0]
    assert sum(sold.values()) > 1_000, "it is sold before and after"
