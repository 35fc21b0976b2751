"""What time it is in a home, for a command that asks beside it or after it."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from gateway.clock import WallClock
from gateway.store.history import History


def home_now(folder: Path, start: datetime | None, rate: float = 1.0) -> datetime:
    """The machine's time; in a home with a time of its own (``start`` or ``rate`` of ``[time]``: the demo, a trial) the
    end of the newest minute that its history in ``folder`` holds, or ``start`` where there is none."""
    wall = WallClock().now()
    if start is None and rate == 1.0:
        return wall
    path = folder / "history.sqlite"
    newest = None
    if path.exists():
        history = History(path, read_only=True)
        try:
            newest = history.newest_minute()
        finally:
            history.close()
    return start or wall if newest is None else newest + timedelta(minutes=1)
