"""Whether a home has lived with us before is judged by a clock that is believed: a wrong one at a start makes no new home of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.agent.first_days import FirstDays
from gateway.agent.state import GatewayState, HomeRules
from gateway.agent.user_settings import configured
from gateway.domain.intervals import quarter
from gateway.domain.plan import Observed
from gateway.store.history import History
from gateway.store.settings import SettingsStore
from tests.core.test_clearing import settings_of

NOW = quarter(datetime(2026, 6, 1, 12, tzinfo=UTC))


@pytest.mark.parametrize(
    ("days_ago", "at_start", "then"),
    [(None, True, True), (1, False, False), (59, False, False), (90, False, True)],
)
def test_the_first_quarter_hour_tells(
    tmp_path: Path, days_ago: int | None, at_start: bool, then: bool
) -> None:
    """``at_start``, ``then``: whether the plan is only compared."""
    history = History(tmp_path / "history.sqlite")
    if days_ago is not None:
        before = quarter(NOW.start - timedelta(days=days_ago))
        history.add_quarter(Observed(before, 100.0, 0.0, None))
    said: list[bool] = []
    store = SettingsStore(tmp_path / "settings.sqlite")
    settings = settings_of(tmp_path, {})
    lived = history.lived_before
    days = FirstDays(store, said.append, shadow=True, begun=history.begun, lived=lived)
    assert said[-1] == at_start
    seen = Observed(NOW, 100.0, 0.0, None)
    history.add_quarter(seen)
    days.quarter(GatewayState(HomeRules.of(settings), configured(settings)), seen, None)
    assert said[-1] == then
    history.close()
    store.close()
