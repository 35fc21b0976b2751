"""What holds for every test: its marker comes from its folder, its event loop from `loops`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.loops import LeapingLoop

HERE = Path(__file__).parent


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Time leaps, but for a test that says `real_time` (and why)."""
    if item.get_closest_marker("real_time"):
        return {"real": asyncio.new_event_loop}
    return {"leaping": LeapingLoop}
