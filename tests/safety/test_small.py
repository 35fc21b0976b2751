"""The guard stays small: what it loads, and what it uses."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from gateway.guard.child import resident_bytes
from tests.safety import agents
from tests.safety.guarded import guarded

STRANGERS = ("numpy", "pydantic", "aiohttp", "aiomqtt", "paho", "sqlite3", "prometheus_client",
             "joserfc", "cryptography", "typer", "rich", "http.client", "html", "gateway.agent",
             "gateway.store", "gateway.planner", "gateway.market")  # fmt: skip
MOST = 35 * 1024 * 1024


def test_the_guard_loads_no_http_no_database_no_numbers() -> None:
    code = "import sys, gateway.guard.__main__; print(*sorted(sys.modules))"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(said.stdout.split())
    assert "pymodbus" in loaded
    assert sorted(loaded & set(STRANGERS)) == []


async def test_the_guard_of_a_home_fits_in_35_mb(tmp_path: Path) -> None:
    async with guarded("fronius", tmp_path) as place:
        await place.start(agents.HOLDS)
        await place.until(lambda: place.held, "held")
        await place.steers_on(12)
        assert place.process is not None
        assert resident_bytes(place.process.pid) <= MOST
        assert await place.stop() == 0
