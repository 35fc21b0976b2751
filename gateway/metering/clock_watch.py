"""Can the machine's clock be right? Wall time held against time that has passed, and against the account.

A clock that leaps by more than a day while the gateway runs, or that at a start is earlier than what is
in the account, is doubted, and so is one that no gateway has seen: nothing is metered, kept or offered by it. The doubt ends when the clock is
where it should be, when an exchange's clock agrees, or with patience: some machines are alone. A new home has no account to
hold its clock against: it begins at once, and stops when an exchange that tells the time is days away from it. Pure.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from gateway.domain.intervals import iso

LEAP = timedelta(days=1)  # what is less is a clock that is set right, not one that is broken
BEFORE_ACCOUNT = timedelta(hours=1)
NOT_BEFORE = datetime(2024, 1, 1, tzinfo=UTC)  # there was no gateway then
# This one does not run any more: what 32 bits end with is 2106.
NOT_AFTER = datetime(2056, 1, 1, tzinfo=UTC)
PATIENCE_S = 3600.0  # so long a time ahead is doubted where nobody can be asked
LONG_PATIENCE_S = 24 * 3600.0  # ... and a time behind what is known to have passed


class ClockWatch:
    """Tell it the time at each report. ``newest`` is the end of what the account has metered.

    ``ask_first``: there is an exchange to ask, so a start long after ``newest`` waits for its word.
    """

    def __init__(self, newest: datetime | None = None, *, ask_first: bool = False) -> None:
        self._newest, self._ask_first = newest, ask_first
        self._believed: tuple[datetime, float] | None = None  # wall and monotonic time, together
        self._since: float | None = None  # the doubt's beginning, monotonic s
        # What an exchange's clock said against ours, and when.
        self._theirs: tuple[datetime, float] | None = None
        self._compared = newest is not None
        self.doubt = ""

    def look(self, now: datetime, monotonic_s: float) -> str:
        """A sentence where a doubt begins or ends, for the log; else empty."""
        why = self._why(now, monotonic_s)
        if not why:
            self._believed = now, monotonic_s
            return self._end(now)
        if self._since is None:
            self._since, self.doubt = monotonic_s, why
            return f"{why}; until that is cleared nothing is metered or offered"
        if monotonic_s - self._since >= self._patience_s(now, monotonic_s):
            return self.confirm(now, monotonic_s)
        return ""

    @property
    def compares(self) -> bool:
        """Whether an exchange's word still counts against our clock: once, in a home that has metered nothing before."""
        return not self._compared

    def compare(self, theirs: datetime, now: datetime, monotonic_s: float) -> None:
        """An exchange's clock says ``theirs``; whether that begins a doubt, the next `look` says."""
        self._compared = True
        self._theirs = (theirs, monotonic_s) if abs(now - theirs) > LEAP else None

    def confirm(self, now: datetime, monotonic_s: float) -> str:
        """Somebody whose clock counts agrees with ``now``."""
        self._believed, self._theirs = (now, monotonic_s), None
        return self._end(now)

    def _end(self, now: datetime) -> str:
        if self._since is None:
            return ""
        self._since, self.doubt = None, ""
        return f"the clock is believed again: {iso(now.replace(microsecond=0))}"

    def _why(self, now: datetime, monotonic_s: float) -> str:
        shown = iso(now.replace(microsecond=0))
        if not _can_be(now):
            return f"the clock says {shown}, which cannot be"
        if self._theirs is not None:
            theirs = self._theirs[0] + timedelta(seconds=monotonic_s - self._theirs[1])
            if abs(now - theirs) > LEAP:
                return (
                    f"the clock says {shown}, the exchange's {iso(theirs.replace(microsecond=0))}"
                )
            self._theirs = None
        elif self._believed is not None:
            leap = now - self._due(monotonic_s)
            return (
                f"the clock went to {shown}, by {leap / LEAP:+.1f} days" if abs(leap) > LEAP else ""
            )
        if self._newest is None:
            return ""
        if now < self._newest - BEFORE_ACCOUNT:
            return f"the clock says {shown}, the account ends at {iso(self._newest)}"
        if self._ask_first and now > self._newest + LEAP:
            return f"the clock says {shown}, long after the account's end at {iso(self._newest)}"
        return ""

    def _due(self, monotonic_s: float) -> datetime:
        """What the clock should say."""
        assert self._believed is not None  # noqa: S101 - asked for only then
        time, at = self._believed
        return time + timedelta(seconds=monotonic_s - at)

    def _patience_s(self, now: datetime, monotonic_s: float) -> float:
        known = self._newest if self._believed is None else self._due(monotonic_s)
        if not _can_be(now):
            return float("inf")
        if self._theirs is not None:
            return LONG_PATIENCE_S
        return LONG_PATIENCE_S if known is not None and now < known else PATIENCE_S


def _can_be(now: datetime) -> bool:
    """Whether a gateway of this kind runs at that time; what cannot be is never believed, however long it lasts."""
    return NOT_BEFORE <= now < NOT_AFTER
