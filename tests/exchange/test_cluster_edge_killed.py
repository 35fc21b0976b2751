"""An edge is killed when the shard has stored a tender and before the sender has the answer; a ticker is cut with it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg

from gateway.domain.intervals import QUARTER, floor_to
from simulators.exchange.postgres import Postgres
from tests.exchange.conftest import tender_body
from tests.exchange.test_cluster_kill import Town
from tests.waiting import HANG_S, eventually

pytestmark = pytest.mark.real_time
HOME = {"Authorization": "Bearer insecure:home"}
_TRIES = 20


class Overheard:
    """What goes through NATS: an edge is stopped as soon as its request is in the log."""

    def __init__(self, town: Town) -> None:
        self._town = town
        self.stop: int | None = None  # the process that is to be stopped
        self.answers: list[bytes] = []

    async def listen(self, client: Client) -> None:
        prefix = self._town.config.prefix
        await client.subscribe(f"{prefix}-1-0.log", cb=self._written)
        await client.subscribe(f"{prefix}.answers.>", cb=self._answered)
        await client.flush()

    async def _written(self, _message: Msg) -> None:
        if self.stop is not None:
            os.kill(self.stop, signal.SIGSTOP)

    async def _answered(self, message: Msg) -> None:
        self.answers.append(message.data)


async def post(
    session: aiohttp.ClientSession, url: str, body: Mapping[str, Any]
) -> tuple[int, Any, str | None]:
    headers = HOME | {"Idempotency-Key": body["tender"]["tenderId"]}
    async with session.post(f"{url}/cts/createTender", json=body, headers=headers) as reply:
        return reply.status, await reply.json(), reply.headers.get("Idempotent-Replayed")


async def cut_off(town: Town, session: aiohttp.ClientSession, heard: Overheard) -> dict[str, Any]:
    """A tender that the shard has stored and answered, and whose sender knows nothing of it."""
    for number in range(_TRIES):
        start = floor_to(town.clock.now(), QUARTER) + 4 * QUARTER
        body = tender_body(f"cut-{number}", "SELL", 500, 1_000, start=start)
        heard.answers.clear()
        heard.stop = town.roles["edge:0"].pid
        asked = asyncio.ensure_future(post(session, town.urls[0], body))
        await eventually(lambda: bool(heard.answers), "the shard's answer")
        heard.stop = None
        await town.end("edge:0")
        if isinstance(
            (await asyncio.gather(asked, return_exceptions=True))[0], aiohttp.ClientError
        ):
            return body
        await town.run("edge:0")  # it was quicker than the signal
    raise AssertionError("no edge was stopped in time")


async def frames(session: aiohttp.ClientSession, url: str, last: int, count: int) -> list[Any]:
    """The next ``count`` frames of the home's ticker after ``last``."""
    where = f"{url}/cts/ticker?subscriptionId=x&lastSeq={last}"
    async with session.ws_connect(where, headers=HOME) as socket:
        return [
            json.loads(await asyncio.wait_for(socket.receive_str(), HANG_S)) for _ in range(count)
        ]


def test_the_same_request_at_another_edge_has_the_stored_answer(tmp_path: Path) -> None:
    async def story() -> None:
        town, client = Town(tmp_path, 1), Client()
        heard = Overheard(town)
        database: Postgres | None = None
        try:
            await town.start()
            await client.connect(list(town.config.nats))
            await heard.listen(client)
            database = Postgres(town.config.postgres, connections=1)
            async with aiohttp.ClientSession() as session:
                await through(town, session, heard, database)
        finally:
            if database is not None:
                database.close()
            await client.close()
            await town.close()

    asyncio.run(story())


async def through(
    town: Town, session: aiohttp.ClientSession, heard: Overheard, database: Postgres
) -> None:
    start = floor_to(town.clock.now(), QUARTER) + 4 * QUARTER
    first = tender_body("first", "SELL", 500, 1_000, start=start)
    assert (await post(session, town.urls[0], first))[0] == 201
    seen = await frames(session, town.urls[0], 0, 4)

    body = await cut_off(town, session, heard)
    other = town.urls[1]
    status, said, replayed = await post(session, other, body)
    assert (status, replayed) == (201, "true")
    assert await post(session, other, body) == (201, said, "true")
    rows = await database.rows("SELECT COUNT(*) FROM document WHERE name = $1", said["tenderId"])
    assert rows == [(1,)]

    seen += await frames(session, other, seen[-1]["seq"], 8)
    assert seen == await frames(session, other, 0, 12), "nothing is missing, nothing comes twice"
    assert "EiCreateTransaction" in {frame["type"] for frame in seen}

    await town.run("edge:0")
    assert await post(session, town.urls[0], body) == (201, said, "true")
