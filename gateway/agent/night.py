"""Where the stored energy came from: what was charged in the flat night window is never resold.

Nor is anything that was bought from the grid where the user says so (``battery.grid_energy = "home"``): then
every quarter-hour counts as that window does.
"""

from __future__ import annotations

import math

from gateway.errors import StorageError
from gateway.market.origin import Flow, follow, resellable_wh, unknown_origin
from gateway.metering.energy import QuarterFlow
from gateway.store.codec import origin_body
from gateway.store.journal import Journal
from gateway.tariff import TariffRules


class NightOrigin:
    """The ledger of `gateway.market.origin`, row by row in the journal."""

    def __init__(self, journal: Journal, tariff: TariffRules, stays: bool = False) -> None:
        """``stays``: energy from the grid is never fed in again, whenever it was bought."""
        self._journal, self._tariff, self._stays = journal, tariff, stays
        self._has_night = stays or tariff.tariff.flat_night is not None
        self._least_wh = (
            math.inf
        )  # stored at any time of this quarter: what came since is not judged yet
        self._missed = False  # a quarter could not be stored: its origin is not known

    def follow(self, flow: QuarterFlow, stored_wh: float | None) -> None:
        """Count a quarter that has ended; without a flat night there is nothing to count.

        Where neither the charge nor its origin is known, nothing is noted: all of it stays unknown.
        """
        known = None if self._missed else self._journal.book.night_wh
        self._least_wh = math.inf if stored_wh is None else stored_wh
        if not self._has_night or (stored_wh is None and known is None):
            return
        interval = flow.observed.interval
        metered = self._journal.book.metered.get(interval.start)
        night_wh = follow(
            self._unknown(stored_wh or 0.0) if known is None else known,
            Flow(
                night=self._stays or self._tariff.is_flat_night(interval),
                charge_wh=None if flow.charge_wh is None else round(flow.charge_wh),
                discharge_wh=None if flow.discharge_wh is None else round(flow.discharge_wh),
                import_wh=metered.import_wh if metered else None,
                export_wh=metered.export_wh if metered else None,
            ),
            None if stored_wh is None else round(stored_wh),
        )
        if night_wh == known:
            return
        try:
            self._journal.append("origin", origin_body(interval, night_wh), interval.end)
            self._missed = False
        except StorageError:
            self._missed = True  # no bid goes out either while nothing can be stored

    def resellable_wh(self, stored_wh: float) -> float:
        """What of the stored energy may be offered."""
        if not self._has_night:
            return stored_wh
        if self._stays:
            stored_wh = self._least_wh = min(self._least_wh, stored_wh)
        known = None if self._missed else self._journal.book.night_wh
        return resellable_wh(stored_wh, self._unknown(stored_wh) if known is None else known)

    def _unknown(self, stored_wh: float) -> int:
        return unknown_origin(stored_wh, has_flat_night=self._has_night)
