"""Where the stored energy came from: what was charged in the flat night window is never resold."""

from __future__ import annotations

from gateway.errors import StorageError
from gateway.market.origin import Flow, follow, resellable_wh, unknown_origin
from gateway.metering.energy import QuarterFlow
from gateway.store.journal import Journal
from gateway.tariff import TariffRules

_KEY = "night_wh"


class NightOrigin:
    """The ledger of `gateway.market.origin`, kept in the journal's file over restarts."""

    def __init__(self, journal: Journal, tariff: TariffRules) -> None:
        self._journal, self._tariff = journal, tariff
        self._has_night = tariff.tariff.flat_night is not None

    def follow(self, flow: QuarterFlow, stored_wh: float | None) -> None:
        """Count a quarter that has ended; without a flat night there is nothing to count.

        Where neither the charge nor its origin is known, nothing is noted: all of it stays unknown.
        """
        if not self._has_night or (stored_wh is None and not self._is_known()):
            return
        interval = flow.observed.interval
        metered = self._journal.book.metered.get(interval.start)
        night_wh = follow(
            self._night_wh(stored_wh or 0.0),
            Flow(
                night=self._tariff.is_flat_night(interval),
                charge_wh=None if flow.charge_wh is None else round(flow.charge_wh),
                discharge_wh=None if flow.discharge_wh is None else round(flow.discharge_wh),
                import_wh=metered.import_wh if metered else None,
                export_wh=metered.export_wh if metered else None,
            ),
            None if stored_wh is None else round(stored_wh),
        )
        try:
            self._journal.setting(_KEY, str(night_wh))
        except StorageError:
            return  # no bid goes out either while nothing can be stored

    def resellable_wh(self, stored_wh: float) -> float:
        """What of the stored energy may be offered."""
        return resellable_wh(stored_wh, self._night_wh(stored_wh)) if self._has_night else stored_wh

    def _is_known(self) -> bool:
        try:
            return self._journal.setting(_KEY) is not None
        except StorageError:
            return False

    def _night_wh(self, stored_wh: float) -> int:
        try:
            known = self._journal.setting(_KEY)
        except StorageError:
            known = None  # unknown: all of it counts as of the night
        if known is None:
            return unknown_origin(stored_wh, has_flat_night=self._has_night)
        return int(known)
