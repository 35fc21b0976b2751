"""What holds for every test: its marker (`kinds`) and its event loop (`loops`)."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping

import hypothesis
import pytest

from tests.kinds import KINDS, kind_of
from tests.loops import LeapingLoop

# Neither a deadline nor slow data says anything of the code; both say that the machine is busy.
# Where a change is judged (CI), the cases are the same at each run; everywhere else new ones are tried.
hypothesis.settings.register_profile(
    "any machine",
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
    derandomize=bool(os.environ.get("CI")),
)
hypothesis.settings.load_profile("any machine")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test, before ``-m`` selects."""
    for item in items:
        if not any(item.get_closest_marker(kind) for kind in KINDS):
            item.add_marker(kind_of(item))


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Time leaps, but for a test that says `real_time` (and why)."""
    if item.get_closest_marker("real_time"):
        return {"real": asyncio.new_event_loop}
    return {"leaping": LeapingLoop}
