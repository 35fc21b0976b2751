"""The nodes of the log come back with empty disks: a running cluster goes on after what was carried out."""

from pathlib import Path

import pytest
from nats.aio.client import Client

from gateway.clock import SimClock, pause
from simulators.exchange import ExchangeHandle
from tests.exchange import servers
from tests.exchange.conftest import Stores, Wire, play

_TRIES = 60


async def without_streams(prefix: str) -> int:
    """Take every stream of the zone away, as new disks would; how many there were."""
    client = Client()
    await client.connect(servers.nats().addresses[0])
    try:
        names = [s.config.name for s in await client.jetstream().streams_info()]
        gone = [name for name in names if name is not None and name.startswith(prefix)]
        for name in gone:
            await client.jetstream().delete_stream(name)
    finally:
        await client.close()
    return len(gone)


def test_a_log_that_is_gone_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = servers.cluster_config()
    monkeypatch.setattr(Stores, "cluster", config)

    async def story(wire: Wire, clock: SimClock, _handle: ExchangeHandle) -> None:
        first = await wire.tender("before", "SELL", 500, 3_000)
        assert first[0] == 201
        assert await without_streams(config.prefix) == config.shards
        for _ in range(_TRIES):  # as a gateway does: the same key, until there is an answer
            status, said, _ = await wire.tender("after", "SELL", 500, 3_100)
            if status == 201:
                break
            assert status == 503, said
            await pause(0.5)
        again = await wire.tender("before", "SELL", 500, 3_000)
        assert again[:2] == first[:2], "what was answered is known"
        _, found = await wire.get("tenders")
        assert {one["tenderId"] for one in found["tenders"]} == {"before", "after"}

    play(tmp_path, story)
