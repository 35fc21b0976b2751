"""Every provider's documented format, read over real HTTP: spans, currency, unit, what is missing."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from aiohttp import web

from gateway.domain.intervals import Interval
from gateway.errors import ConfigError, FeedError
from gateway.feeds import Answer, FeedAccess, FeedPrice, open_feed, providers
from gateway.feeds.ask import asked
from gateway.feeds.documents import json_of, lengths, moment, number, xml_of
from gateway.feeds.quarters import by_quarter
from tests.feeds.server import Handler, http_ask, provider, recorded, routes

START = datetime(2025, 10, 15, tzinfo=UTC)
END = START + timedelta(days=1)
KEY = "s3cret-token"
ERCOT_KEY = json.dumps({"username": "u", "password": "p", "subscription_key": "k"})


def row(
    hour: str, minutes: int, per_kwh: str, *, forecast: bool = False, day: int = 15
) -> FeedPrice:
    begins = datetime.fromisoformat(f"2025-10-{day:02d}T{hour}:00+00:00")
    return FeedPrice(
        Interval(begins, begins + timedelta(minutes=minutes)), Decimal(per_kwh), forecast
    )


@dataclass(frozen=True)
class Case:
    provider: str
    handler: Handler
    rows: tuple[FeedPrice, ...]
    currency: str = "EUR"
    access: Mapping[str, Any] = field(default_factory=dict)
    path: str = ""


async def _ercot(request: web.Request) -> web.StreamResponse:
    if request.path.endswith("/token"):
        form = await request.post()
        assert (form["username"], form["response_type"]) == ("u", "id_token")
        return web.json_response({"id_token": "t0"})
    assert request.headers["Authorization"] == "Bearer t0"
    assert request.headers["Ocp-Apim-Subscription-Key"] == "k"
    name = "ercot_day_ahead.json" if "np4-190" in request.path else "ercot_real_time.json"
    return await recorded(name)(request)


async def _nord_pool(request: web.Request) -> web.StreamResponse:
    """The next day is not published yet."""
    if request.query["date"] != "2025-10-15":
        return web.Response(status=204)
    return await recorded("nord_pool.json")(request)


async def _openadr(request: web.Request) -> web.StreamResponse:
    if request.path == "/auth/token":
        form = await request.post()
        assert (form["grant_type"], form["client_id"]) == ("client_credentials", "ven")
        return web.json_response({"access_token": "t0", "token_type": "Bearer"})
    assert request.headers["Authorization"] == "Bearer t0"
    name = "openadr_events.json" if request.path == "/events" else "openadr_programs.json"
    return await recorded(name)(request)


OPENADR = {"key": json.dumps({"client_id": "ven", "client_secret": KEY}), "tariff": "ResTOU"}
JSON = {"currency": "EUR", "unit": "minor_per_kwh", "time_zone": "Europe/Berlin", "paths": {"rows": "data.prices", "start": "from", "price": "ct"}}  # fmt: skip
CSV = {"currency": "EUR", "unit": "per_kwh", "time_zone": "Europe/Berlin", "paths": {"start": "Beginn", "end": "Ende", "price": "Preis"}}  # fmt: skip
CASES = [
    Case("energy-charts", recorded("energy_charts.json"), (row("00:00", 15, "0.08421"), row("00:15", 15, "0.08"), row("00:45", 15, "-0.0015"), row("01:15", 15, "0.06002")), access={"zone": "DE-LU"}, path="/price"),
    Case("energy-charts-co2", recorded("energy_charts_co2.json"), (row("00:00", 15, "312.4"), row("00:15", 15, "310.5", forecast=True)), "gCO2", {"zone": "DE"}, "/co2eq"),
    Case("carbon-intensity-uk", recorded("carbon_intensity_uk.json"), (row("00:00", 30, "151"), row("00:30", 30, "148", forecast=True)), "gCO2", path="/intensity/2025-10-15T00:00Z/fw48h"),
    Case("nord-pool", _nord_pool, (row("00:00", 15, "0.41237"), row("00:15", 15, "-0.00055")), "SEK", {"zone": "SE3", "currency": "SEK"}, "/api/DayAheadPrices"),
    Case("awattar", recorded("awattar.json"), (row("00:00", 60, "0.04209"), row("01:00", 60, "-0.00512")), path="/v1/marketdata"),
    Case("smard", routes(index="smard_index.json", quarterhour_="smard_week.json"), (row("00:00", 15, "0.08421"), row("00:15", 15, "0.08")), path="/app/chart_data/4169/DE/index_quarterhour.json"),
    Case("octopus", recorded("octopus.json"), (row("00:30", 30, "0.245385"), row("00:00", 30, "-0.0105")), "GBP", {"product": "AGILE-24-10-01", "tariff": "E-1R-AGILE-24-10-01-C"}, "/v1/products/AGILE-24-10-01/electricity-tariffs/E-1R-AGILE-24-10-01-C/standard-unit-rates/"),
    Case("octopus", recorded("octopus_outgoing.json"), (row("00:00", 1440, "0.15"),), "GBP", {"product": "OUTGOING", "tariff": "E-1R-OUTGOING-C"}),
    Case("tibber", recorded("tibber.json"), (row("00:00", 15, "0.2931"), row("00:15", 15, "0.2874")), access={"key": KEY}, path="/v1-beta/gql"),
    Case("amber", recorded("amber.json"), (row("00:00", 30, "0.2433"), row("00:30", 30, "0.225", forecast=True)), "AUD", {"key": KEY, "site_id": "01F5"}, "/v1/sites/01F5/prices/current"),
    Case("amber", recorded("amber.json"), (row("00:00", 30, "0.0591"),), "AUD", {"key": KEY, "site_id": "01F5", "product": "feedIn"}),
    Case("entsoe", recorded("entsoe.xml"), (row("00:00", 15, "0.08421"), row("00:15", 15, "0.08421"), row("00:30", 15, "0.08421"), row("00:45", 15, "-0.0034"), row("01:00", 60, "0.0655")), access={"key": KEY, "zone": "DE-LU"}, path="/api"),
    Case("entsoe", recorded("entsoe_nothing.xml"), (), access={"key": KEY, "zone": "DE-LU"}),
    Case("ercot", _ercot, (row("00:00", 15, "0.03185"), row("00:15", 15, "4.9874")), "USD", {"key": ERCOT_KEY, "zone": "LZ_HOUSTON"}),
    Case("caiso", recorded("caiso.csv"), (row("00:00", 60, "0.06120155"), row("01:00", 60, "0.0885")), "USD", {"zone": "DLAP_PGAE-APND"}, "/oasisapi/SingleZip"),
    Case("pjm", recorded("pjm.json"), (row("00:00", 60, "0.038214"), row("01:00", 60, "0.035")), "USD", {"key": KEY, "zone": "51291"}, "/api/v1/da_hrl_lmps"),
    Case("openadr", _openadr, (row("00:00", 45, "0.17"), row("00:45", 15, "0.9"), row("01:00", 30, "0.22"), row("01:30", 30, "0.24")), "USD", OPENADR, "/auth/token"),
    Case("openadr", _openadr, (row("00:00", 60, "312.5"),), "gCO2", OPENADR | {"product": "GHG"}),
    Case("json-rows", recorded("json_rows.json"), (row("00:00", 60, "0.2851"), row("01:00", 60, "0.279")), access=JSON),
    Case("csv-rows", recorded("csv_rows.csv"), (row("00:00", 15, "0.2851"), row("00:15", 15, "0.279")), access=CSV),
]  # fmt: skip
IDS = [f"{c.provider}{i}" for i, c in enumerate(CASES)]


def access(case: Case, url: str) -> FeedAccess:
    return FeedAccess("market", url=url, **case.access)


@pytest.mark.parametrize("case", CASES, ids=IDS)
async def test_what_is_documented_is_understood(case: Case) -> None:
    async with provider(case.handler) as server, http_ask() as ask:
        answer = await asked(open_feed(case.provider, access(case, server.url)), ask, START, END)
        paths = [request.path for request in server.asked]
    assert answer.currency == case.currency
    assert tuple(answer.rows) == case.rows
    assert case.path in ("", paths[0])


def test_every_provider_has_a_recorded_answer() -> None:
    assert {case.provider for case in CASES} == set(providers())


HOSTILE: list[tuple[str, bytes | int]] = [
    ("nothing", b""),
    ("a page", b"<html>Sorry</html>"),
    ("half a document", b'{"data": ['),
    ("other names", b'{"items2": [{"x": 1}], "data": [{"y": 2}], "results": [{}], "price": [1]}'),
    ("a list", b"[1, 2, 3]"),
    ("not a number", b'{"unix_seconds":[1760486400],"price":[NaN],"unit":"EUR / MWh"}'),
    ("an entity", b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'),
    ("far too much", b" " * 200_000),
    ("not now", 503),
    ("too often", 429),
    ("who are you", 401),
    ("elsewhere", 302),
]


@pytest.mark.parametrize("case", CASES, ids=IDS)
async def test_nonsense_is_one_reason_without_the_key(case: Case) -> None:
    for name, body in HOSTILE:

        async def handler(request: web.Request, body: bytes | int = body) -> web.StreamResponse:
            if isinstance(body, bytes):
                return web.Response(body=body)
            there = {"Location": "http://127.0.0.1:1/"} if body == 302 else {}
            return web.Response(status=body, headers=there)

        async with provider(handler) as server, http_ask(KEY) as ask:
            feed = open_feed(case.provider, access(case, server.url))
            said, rows = await outcome(asked(feed, ask, START, END))
        assert KEY not in said, name
        assert "\n" not in said, name
        assert not rows, name  # an empty answer may mean that nothing is published


async def outcome(question: Awaitable[Answer]) -> tuple[str, Sequence[FeedPrice]]:
    """What went wrong, with its cause, and the rows that came nevertheless."""
    try:
        return "", (await question).rows
    except FeedError as error:
        return f"{error} {error.__cause__ or ''}", ()


async def test_a_key_in_the_address_is_in_no_text() -> None:
    async with http_ask(KEY) as ask:
        feed = open_feed("entsoe", FeedAccess("m", "DE-LU", "http://127.0.0.1:1", KEY))
        with pytest.raises(FeedError) as caught:
            await asked(feed, ask, START, END)
    assert KEY not in str(caught.value)


def hourly(day: datetime, hours: int) -> bytes:
    begins = [int((day + timedelta(hours=h)).timestamp()) for h in range(hours)]
    return json.dumps({"unix_seconds": begins, "price": list(range(hours)), "unit": "EUR / MWh"}).encode()  # fmt: skip


@pytest.mark.parametrize(("date", "hours"), [((2025, 3, 30), 23), ((2025, 10, 26), 25), ((2025, 6, 1), 24)])  # fmt: skip
async def test_days_of_92_and_100_quarters(date: tuple[int, int, int], hours: int) -> None:
    first = datetime(*date, tzinfo=ZoneInfo("Europe/Berlin")).astimezone(UTC)

    async def handler(request: web.Request) -> web.StreamResponse:
        return web.Response(body=hourly(first, hours))

    async with provider(handler) as server, http_ask() as ask:
        feed = open_feed("energy-charts", FeedAccess("m", "DE-LU", server.url))
        answer = await asked(feed, ask, first, first + timedelta(days=1))
    quarters = by_quarter(answer.rows, forecast=False)
    assert len(quarters) == 4 * hours
    assert list(quarters) == [first + i * timedelta(minutes=15) for i in range(4 * hours)]
    assert list(quarters.values())[-1] == Decimal(hours - 1) / 1000


async def test_the_autumn_nights_second_hour_in_texas() -> None:
    start = datetime(2025, 11, 2, 5, tzinfo=UTC)
    case = Case("ercot", _ercot, (), access={"key": ERCOT_KEY, "zone": "LZ_HOUSTON", "market": "day-ahead"})  # fmt: skip
    async with provider(case.handler) as server, http_ask() as ask:
        feed = open_feed("ercot", access(case, server.url))
        answer = await asked(feed, ask, start, start + timedelta(days=1))
    begins = [r.span.start for r in answer.rows]
    assert begins == [start + timedelta(hours=h) for h in range(4)]


@pytest.mark.parametrize(
    ("name", "more", "says"),
    [
        ("nowhere", {}, "'nowhere' is unknown; use one of amber"),
        ("entsoe", {"zone": "DE-LU"}, "key_file"),
        ("energy-charts", {}, "zone is missing"),
        ("smard", {"zone": "XX"}, "use one of DE-LU"),
        ("ercot", {"zone": "LZ_HOUSTON", "key": "no json"}, "username, password"),
        ("openadr", {"key": "no json", "url": "http://a"}, "client_id and client_secret"),
        ("openadr", {"product": "GAS"}, "PRICE, EXPORT_PRICE, GHG"),
        ("pjm", {"zone": "1", "key": "k", "market": "x"}, "real-time or day-ahead"),
        ("json-rows", {"url": "http://a"}, "unit is missing"),
        ("json-rows", {"url": "http://a", "unit": "per_kwh", "currency": "EUR"}, "start is missing"),
    ],
)  # fmt: skip
def test_what_is_missing_is_said(name: str, more: Mapping[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        open_feed(name, FeedAccess("market", **more))


def test_fives_make_a_quarter_and_what_is_not_whole_is_missing() -> None:
    fives = [row(f"00:{m:02d}", 5, str(p)) for m, p in ((0, 1), (5, 2), (10, 6), (15, 9), (20, 9))]
    assert by_quarter(fives, forecast=False) == {START: Decimal(3)}
    same = [row("00:00", 15, "1"), row("00:00", 15, "1")]
    assert by_quarter(same, forecast=False) == {START: Decimal(1)}
    with pytest.raises(ValueError, match="two prices"):
        by_quarter([row("00:00", 15, "1"), row("00:00", 15, "2")], forecast=False)


def test_a_row_that_ends_a_second_early_covers_its_hour() -> None:
    early = Interval(START, START + timedelta(hours=1, seconds=-1))
    late = Interval(START + timedelta(hours=1, seconds=1), START + timedelta(hours=2))
    rows = [FeedPrice(early, Decimal(1)), FeedPrice(late, Decimal(2))]
    assert len(by_quarter(rows, forecast=False)) == 8


def test_numbers_and_times_as_people_write_them() -> None:
    assert number("0,2851") == Decimal("0.2851")
    assert moment("2025-10-15 02:00", ZoneInfo("Europe/Berlin")) == START
    assert moment(1_760_486_400) == moment(1_760_486_400_000) == START
    with pytest.raises(ValueError, match="no time zone"):
        moment("2025-10-15T02:00")
    for bad in ("NaN", "1e999999", True, None, "1" * 40):
        with pytest.raises((ValueError, TypeError)):
            number(bad)
    with pytest.raises(ValueError, match="document type"):
        xml_of(b"<!doctype a><a/>")
    with pytest.raises(ValueError, match="NaN"):
        json_of(b"[NaN]")
    hole = [START, START + timedelta(hours=1), START + timedelta(hours=3)]
    assert [i.hours for i in lengths(hole, timedelta(hours=1))] == [1, 1, 1]
