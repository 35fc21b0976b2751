"""Whoever changes his mind at once gets the same good end as after a year."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.safety import agents
from tests.safety.guarded import Guarded, guarded


def is_guard(place: Guarded) -> bool:
    """Whether the program has become the guard (which then begins to load what it needs)."""
    assert place.process is not None
    return b"--settings-fd" in Path(f"/proc/{place.process.pid}/cmdline").read_bytes()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_a_signal_while_the_guard_still_loads_ends_it_in_good_order(
    tmp_path: Path, number: signal.Signals
) -> None:
    async with guarded("fronius", tmp_path) as place:
        await place.start(agents.HOLDS)
        await place.until(lambda: is_guard(place), "become the guard")
        assert place.process is not None
        place.process.send_signal(number)
        assert await place.ended() == 0
        assert any("all devices are neutral" in line for line in place.said)
        assert not [line for line in place.said if "Traceback" in line]
