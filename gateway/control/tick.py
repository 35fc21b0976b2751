"""One decision's inputs with what follows from them alone; what batteries and cars are decided by."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.control.economics import DispatchInputs
from gateway.control.inputs import DecisionInputs
from gateway.control.limits import Limits, SteeredHome
from gateway.domain.order import IntervalTerms, Order


@dataclass(frozen=True, slots=True)
class Tick:
    """One decision's inputs with what follows from them alone."""

    inputs: DecisionInputs
    order: Order | None
    terms: IntervalTerms | None
    position_wh: int
    home: SteeredHome
    limits: Limits

    @property
    def held(self) -> bool:
        """The owner's hand on the battery comes before what was sold."""
        return self.inputs.settings.battery == "hold"

    def dispatch_inputs(
        self, net_load_w: float, exportable_w: float | None
    ) -> DispatchInputs | None:
        """The home at this moment for the order's values; None while a price is not known."""
        order, terms = self.order, self.terms
        if (
            order is None
            or terms is None
            or terms.import_price is None
            or terms.export_price is None
        ):
            return None
        bounds = [w for w in (self.limits.import_limit_w, order.peak_import_w) if w is not None]
        return DispatchInputs(
            terms.import_price,
            terms.export_price,
            net_load_w,
            self.limits.export_limit_w,
            min(bounds, default=None),
            exportable_w,
        )
