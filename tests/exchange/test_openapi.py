"""The description at /openapi.json is true: it names what is served, and fuzzed requests obey it."""

import asyncio
import itertools
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import schemathesis
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from gateway.clock import SimClock
from simulators.exchange import ExchangeHandle, start_exchange
from simulators.exchange.openapi import describe
from simulators.exchange.server import make_app
from tests.exchange.conftest import START, TestPrices, Wire, play, tender_body

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


def test_it_names_what_is_served(tmp_path: Path) -> None:
    async def story(wire: Wire, clock: SimClock, handle: ExchangeHandle) -> None:
        async with wire.session.get(f"{wire.url}/openapi.json") as reply:
            found = await reply.json()
        assert found == json.loads(json.dumps(describe()))
        served = {
            (route.method.lower(), route.resource.canonical)
            for route in make_app(handle.market, None).router.routes()  # type: ignore[arg-type]
            if route.resource is not None
        }
        described = {(m, path) for path, item in found["paths"].items() for m in item}
        assert described == served
        text = json.dumps(found)
        for name in re.findall(r"#/components/schemas/(\w+)", text):
            assert name in found["components"]["schemas"]

    play(tmp_path, story)


@contextmanager
def served(path: Path) -> Iterator[str]:
    """The exchange in a thread of its own, on a clock that stands still."""
    ready: list[str] = []
    started, end = threading.Event(), asyncio.Event()
    loops: list[asyncio.AbstractEventLoop] = []

    async def main() -> None:
        loops.append(asyncio.get_running_loop())
        async with asyncio.TaskGroup() as group:
            clock = SimClock(START)

            async def stage() -> None:
                handle = await start_exchange(clock, group, path, TestPrices())
                ready.append(handle.url)
                started.set()
                await end.wait()
                await handle.close()

            clock.spawn(group, stage(), "stage")

    thread = threading.Thread(target=lambda: asyncio.run(main()))
    thread.start()
    try:
        assert started.wait(30)
        yield ready[0]
    finally:
        loops[0].call_soon_threadsafe(end.set)
        thread.join()


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(tmp_path_factory.mktemp("fuzzed")) as address:
        yield address


HEADERS = {"Authorization": "Bearer insecure:home"}
OPERATIONS = sorted(
    (path, method)
    for path, item in describe()["paths"].items()
    for method in item
    if path not in ("/oauth2/token", "/cts/ticker", "/openapi.json")
)


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_fuzzed_requests_obey_it(url: str, path: str, method: str, mode: GenerationMode) -> None:
    numbers = itertools.count()
    operation = schemathesis.openapi.from_url(f"{url}/openapi.json")[path][method]

    @hypothesis.settings(
        max_examples=25, database=None, deadline=None, suppress_health_check=list(HealthCheck)
    )
    @given(case=operation.as_strategy(generation_mode=mode), ours=st.booleans())
    def fuzz(case: Any, ours: bool) -> None:
        if ours and isinstance(case.body, dict):
            # past the first checks: a fresh key, the party that asks, the market that there is
            known = {"marketId": "charging-network", "segmentId": "LZ_SOUTH"}
            parties = dict.fromkeys(("partyId", "requestor", "positionParty"), "home")
            case.body |= {n: v for n, v in (known | parties).items() if n in case.body}
            case.headers = {"Idempotency-Key": f"{mode}{next(numbers)}"}
        case.call_and_validate(headers=HEADERS, checks=CHECKS)

    fuzz()


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["home", "SELL", "ENERGY", "2026-06-01T13:00:00Z", "PT15M", "PT9999999H"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)
PLACES = [
    ("requestId",),
    ("partyId",),
    ("marketId",),
    ("tender",),
    *(("tender", n) for n in ("tenderId", "side", "expirationTime", "allOrNone", "tenderDetail")),
    *(("tender", "tenderDetail", n) for n in ("interval", "price", "quantity")),
    *(("tender", "tenderDetail", "interval", n) for n in ("dtStart", "duration")),
]


def test_a_tender_with_one_wrong_field_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    """Every field in turn gets any JSON value: 4xx or, where the value is right, 201; never 5xx."""

    async def story(wire: Wire, clock: SimClock, handle: ExchangeHandle) -> None:
        rng_bodies: list[tuple[tuple[str, ...], Any]] = []

        @hypothesis.settings(max_examples=250, database=None, deadline=None, derandomize=True)
        @given(st.sampled_from(PLACES), JSON)
        def collect(place: tuple[str, ...], value: Any) -> None:
            rng_bodies.append((place, value))

        collect()
        for number, (place, value) in enumerate(rng_bodies):
            body = json.loads(json.dumps(tender_body(f"t{number}", "SELL", 100, 6_000)))
            inner = body
            for name in place[:-1]:
                inner = inner[name]
            inner[place[-1]] = value
            before = len(handle.market.store.all("SELECT 1 FROM tender"))
            status, _, _ = await wire.post(
                "createTender", json.dumps(body).encode(), key=f"k{number}"
            )
            after = len(handle.market.store.all("SELECT 1 FROM tender"))
            assert status == 201 or 400 <= status < 500, (place, value)
            assert after - before == (status == 201), (place, value)

    play(tmp_path, story)
