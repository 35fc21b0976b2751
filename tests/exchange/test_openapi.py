"""The description at /openapi.json is true: it names what is served, and fuzzed requests obey it."""

import asyncio
import itertools
import json
import re
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator
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
from gateway.domain.intervals import QUARTER, iso
from simulators.exchange import ExchangeHandle, start_exchange
from simulators.exchange.cluster.start import Zone, start_cluster
from simulators.exchange.ledger import Store
from simulators.exchange.openapi import describe
from simulators.exchange.routes import ROUTES
from simulators.exchange.rows import TABLES
from simulators.exchange.server import Service, handlers
from simulators.exchange.terms import Terms
from tests.exchange import servers
from tests.exchange.conftest import START, T, TestPrices, Wire, play, tender_body
from tests.waiting import HANG_S

# The wire is the same on each store, so most of it is tried on the quick one.
EXAMPLES = {"sqlite": 25, "postgres": 8, "cluster": 8}
SHARE = {"sqlite": 1, "postgres": 4, "cluster": 4}  # of the wrong values one in so many
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
            (method.lower(), path)
            for path, methods in handlers(Service(handle.market, None)).items()  # type: ignore[arg-type]
            for method in methods
        }
        described = {(m, path) for path, item in found["paths"].items() for m in item}
        assert described == served
        text = json.dumps(found)
        for name in re.findall(r"#/components/schemas/(\w+)", text):
            assert name in found["components"]["schemas"]

    play(tmp_path, story)


@contextmanager
def served(path: Path, store: str) -> Iterator[str]:
    """The exchange on that store, in a thread of its own, on a clock that stands still."""
    start = starter(path, store)
    ready: list[str] = []
    started, end = threading.Event(), asyncio.Event()
    loops: list[asyncio.AbstractEventLoop] = []

    async def main() -> None:
        loops.append(asyncio.get_running_loop())
        async with asyncio.TaskGroup() as group:
            clock = SimClock(START)

            async def stage() -> None:
                handle = await start(clock, group)
                ready.append(handle.url)
                started.set()
                await end.wait()
                await handle.close()

            clock.spawn(group, stage(), "stage")

    thread = threading.Thread(target=lambda: asyncio.run(main()))
    thread.start()
    try:
        assert started.wait(HANG_S)
        yield ready[0]
    finally:
        loops[0].call_soon_threadsafe(end.set)
        thread.join()


Start = Callable[[SimClock, asyncio.TaskGroup], Awaitable[ExchangeHandle]]


def starter(path: Path, store: str) -> Start:
    """Skips the test where the store's servers are not installed."""
    if store == "cluster":
        config = servers.cluster_config(state=path)
        return lambda clock, group: start_cluster(
            Zone(config, clock, TestPrices(), Terms(), insecure=True, answer_s=HANG_S), group
        )
    make = None if store == "sqlite" else servers.postgres().ledger
    return lambda clock, group: start_exchange(
        clock, group, path, TestPrices(), ledger=None if make is None else make()
    )


@pytest.fixture(scope="module", params=EXAMPLES)
def fuzzed(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, int]]:
    """Address of an exchange on each of the stores, and how many examples it gets."""
    with served(tmp_path_factory.mktemp("fuzzed"), request.param) as address:
        yield address, EXAMPLES[request.param]


HEADERS = {"Authorization": "Bearer insecure:home"}
OPERATIONS = sorted(
    (path, method)
    for path, item in describe()["paths"].items()
    for method in item
    if path not in ("/oauth2/token", "/cts/ticker", "/openapi.json")
)


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_fuzzed_requests_obey_it(
    fuzzed: tuple[str, int], path: str, method: str, mode: GenerationMode
) -> None:
    numbers, (url, examples) = itertools.count(), fuzzed
    operation = schemathesis.openapi.from_url(f"{url}/openapi.json")[path][method]

    @hypothesis.settings(
        max_examples=examples,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
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


def _tender(number: int) -> dict[str, Any]:
    return tender_body(f"t{number}", "SELL", 100, 6_000, start=T + number % 80 * QUARTER)


def _stream(number: int) -> dict[str, Any]:
    body = _tender(number)
    parts = [
        {"streamUid": uid, "streamIntervalPrice": 6_000, "streamIntervalQuantity": 100}
        for uid in range(3)
    ]
    start = body["tender"]["tenderDetail"]["interval"]["dtStart"]
    stream = {"streamIntervalDuration": "PT15M", "streamStart": start, "streamIntervals": parts}
    body["tender"]["tenderDetail"] = {"stream": stream}
    return body


def _cancel(number: int) -> dict[str, Any]:
    return {"requestId": f"c{number}", "partyId": "home", "tenderId": f"t{number}"}


def _reading(number: int) -> dict[str, Any]:
    return {
        "requestId": f"d{number}",
        "partyId": "home",
        "measurementPointId": "home-meter",
        "interval": {"dtStart": iso(START - (number + 1) * QUARTER), "duration": "PT15M"},
        "importQuantity": 0,
        "exportQuantity": 100,
        "importRegister": 1_000,
        "exportRegister": 2_000 + number,
        "quality": "MEASURED",
    }


def _head(number: int) -> dict[str, Any]:
    return {
        "requestId": f"a{number}",
        "partyId": "home",
        "headSequence": number + 1,
        "headHash": f"{number:064x}",
    }


RIGHT: dict[str, Callable[[int], dict[str, Any]]] = {
    "createTender": _tender,
    "createStreamTender": _stream,
    "cancelTender": _cancel,
    "deliver": _reading,
    "attest": _head,
}
Place = tuple[str | int, ...]


def places(document: Any, above: Place = ()) -> Iterator[Place]:
    """The way to every value inside."""
    items: Iterable[tuple[str | int, Any]] = ()
    if isinstance(document, dict):
        items = document.items()
    elif isinstance(document, list):
        items = enumerate(document)
    for name, inner in items:
        yield (*above, name)
        yield from places(inner, (*above, name))


def spoilt(operation: str) -> list[dict[str, Any]]:
    """Right documents in which one value was replaced by any JSON or taken out, and a right one."""
    found: list[dict[str, Any]] = []
    gone = object()

    @hypothesis.settings(max_examples=200, database=None, deadline=None, derandomize=True)
    @given(st.sampled_from(sorted(places(RIGHT[operation](0)), key=str)), st.just(gone) | JSON)
    def collect(place: Place, value: Any) -> None:
        body = json.loads(json.dumps(RIGHT[operation](len(found))))
        inner = body
        for name in place[:-1]:
            inner = inner[name]
        inner[place[-1]] = value
        if value is gone:
            del inner[place[-1]]
        found.append(body)

    collect()
    return [*found, RIGHT[operation](len(found))]


def state(store: Store) -> dict[str, list[tuple[Any, ...]]]:
    """All that the market knows, but for its answers to keys."""
    tables = {"party", *TABLES.values()} - {"document", "evidence"}
    sql = "SELECT * FROM {}"
    return {t: sorted(store.all(sql.format(t)), key=repr) for t in tables}


def test_every_operation_that_changes_something_is_tried() -> None:
    assert set(RIGHT) == {route.name for route in ROUTES if route.write is not None}


@pytest.mark.parametrize("operation", RIGHT)
def test_a_request_with_one_wrong_value_is_refused_and_changes_nothing(
    tmp_path: Path, operation: str, each_store: str
) -> None:
    """Each value in turn becomes any JSON or is left out: 2xx, or 4xx and no row of any table moved."""

    async def story(wire: Wire, clock: SimClock, handle: ExchangeHandle) -> None:
        statuses: Counter[int] = Counter()
        await clock.sleep(1)  # the market has begun
        tried = list(enumerate(spoilt(operation)))[:: -SHARE[each_store]]  # the right one first
        for number, body in tried:
            if operation == "cancelTender":
                start = T + number % 80 * QUARTER
                made, _, _ = await wire.tender(f"t{number}", "SELL", 100, 6_000, start=start)
                assert made == 201
            before = state(handle.store)
            status, answer, _ = await wire.post(
                operation, json.dumps(body).encode(), key=f"k{number}"
            )
            after = state(handle.store)
            statuses[status] += 1
            assert status in (200, 201) or 400 <= status < 500, body
            assert (before != after) == did_something(status, answer), body
        assert any(status < 300 for status in statuses), "the right one at least is taken"
        refused = sum(n for status, n in statuses.items() if status >= 400)
        assert refused > 50 // SHARE[each_store]

    play(tmp_path, story)


def did_something(status: int, answer: dict[str, Any]) -> bool:
    """Whether the answer says that anything was changed."""
    if status >= 400:
        return False
    if "createdTenders" in answer:
        return any(part["marketOrderId"] for part in answer["createdTenders"])
    if "receipt" in answer:
        return False  # a signature, and nothing of the market
    return bool(answer.get("eiCanceledResponse", {"success": True})["success"])
