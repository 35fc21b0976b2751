"""What an operator's monitoring sees of a cluster: it is well, and what stands still."""

import asyncio
import re
from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from gateway.clock import SimClock
from gateway.errors import ConfigError
from simulators.exchange import ExchangeHandle
from simulators.exchange.cluster.config import read_config
from simulators.exchange.cluster.start import ClusterHandle
from tests.exchange import servers
from tests.exchange.conftest import Stores, T, Wire, play
from tests.waiting import eventually

FILE = 'postgres = "postgresql://x/y"\nnats = ["nats://x:1"]\nedges = ["a:1", "b:1"]\n'
Samples = dict[tuple[str, ...], float]


async def scrape(wire: Wire, address: str) -> Samples:
    async with wire.session.get(f"http://{address}/metrics") as reply:
        text = await reply.text()
    found = (sample for family in text_string_to_metric_families(text) for sample in family.samples)
    return {(sample.name, *sample.labels.values()): sample.value for sample in found}


@pytest.fixture
def addresses(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    made = [f"127.0.0.1:{port}" for port in servers.free_ports(2)]
    monkeypatch.setattr(Stores, "cluster", servers.cluster_config(metrics=tuple(made)))
    return made


def test_a_scrape_says_what_stands_still(tmp_path: Path, addresses: list[str]) -> None:
    async def story(wire: Wire, clock: SimClock, handle: ExchangeHandle) -> None:
        assert isinstance(handle, ClusterHandle)
        assert (await wire.tender("t1", "SELL", 1_000, 2_000))[0] == 201
        assert (await wire.tender("t1", "SELL", 1_000, 2_000, key="other"))[0] == 409
        await clock.sleep_until(T + timedelta(minutes=31))
        well = await scrape(wire, addresses[0])
        assert well["exchange_requests_total", "createTender", "201"] == 1
        assert well["exchange_requests_total", "createTender", "409"] == 1
        assert well["exchange_request_seconds_count", "createTender"] == 2
        assert well["exchange_reachable", "postgresql"] == well["exchange_reachable", "nats"] == 1
        assert well["exchange_call_age_seconds",] == 60
        assert well["exchange_settlement_behind", "PRELIM"] == 0
        assert well["exchange_account_error",] == 0
        assert {well["exchange_log_behind", str(shard)] for shard in range(3)} == {0}
        assert well["exchange_unanswered_requests",] == 0

        page = (Path(__file__).parents[2] / "docs" / "cluster.md").read_text(encoding="utf-8")
        alarms = set(re.findall(r"exchange_\w+", page))
        known = {name for name, *_ in well}
        later = {"exchange_clock_ahead_seconds"}  # as soon as the edge has heard a leader
        assert alarms - known - later - {"exchange_request_seconds", "exchange_cluster"} == set()

        for task in handle.running.tasks:
            if task.get_name().startswith("shard"):
                task.cancel()
        start = T + timedelta(hours=2)
        asked = asyncio.ensure_future(wire.tender("t2", "SELL", 1_000, 2_000, start=start))
        ill: Samples = {}
        while not sum(ill.get(("exchange_log_behind", str(shard)), 0) for shard in range(3)):
            ill = await scrape(wire, addresses[0])
        assert ill["exchange_unanswered_requests",] == 1
        asked.cancel()
        await eventually(asked.done)

    play(tmp_path, story)


def test_metrics_are_of_every_edge_or_of_none(tmp_path: Path) -> None:
    file = tmp_path / "cluster.toml"
    file.write_text(f'{FILE}metrics = ["a:2"]\n')
    with pytest.raises(ConfigError, match="one address for each of the 2 edges"):
        read_config(file)
    file.write_text(FILE)
    assert read_config(file).metrics_of(1) is None
