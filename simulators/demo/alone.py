"""The same home on the same days without trading: what it is compared with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.domain.intervals import Interval, quarters
from simulators.physics.home import Home
from simulators.scenario import Scenario

STEP_S = 10
_BAND_C = (50.0, 55.0)  # between which a boiler's own thermostat keeps its water


@dataclass(frozen=True, slots=True)
class Alone:
    """Money (1e-8, to the home +) and energy of the home on its inverter's own self-consumption."""

    money: int
    import_wh: float
    export_wh: float
    ev_wh: float
    soc_pct: float


@dataclass
class _Time:
    moment: datetime

    def now(self) -> datetime:
        return self.moment


def alone(
    scenario: Scenario,
    end: datetime,
    car_wh: float,
    reserve_pct: float,
    prices: Callable[[Interval], tuple[int, int]],
) -> Alone:
    """Run the house's physics without a gateway: same weather, load and car wish.

    The car charges at once at full power until it has ``car_wh``; a boiler keeps its water by a thermostat; the inverter keeps the same
    reserve. ``prices`` are import and export ticks of an interval.
    """
    time = _Time(scenario.start)
    home = Home(time, scenario)
    home.command(reserve_pct=reserve_pct)
    money, imported, exported, heats = 0, 0.0, 0.0, False
    for interval in quarters(scenario.start, end):
        before = home.totals()
        while time.moment < interval.end:
            state = home.state()
            home.command(charger_enabled=state.session_wh < car_wh)
            if scenario.boiler is not None and state.boiler is not None:
                heats = state.boiler.temperature_c < (_BAND_C[1] if heats else _BAND_C[0])
                home.command(rod_w=scenario.boiler.most_w if heats else 0.0)
            time.moment += timedelta(seconds=STEP_S)
        after = home.totals()
        net_wh = round(after.grid_export - before.grid_export) - round(
            after.grid_import - before.grid_import
        )
        bought, sold = prices(interval)
        money += net_wh * (sold if net_wh > 0 else bought)
        imported += after.grid_import - before.grid_import
        exported += after.grid_export - before.grid_export
    return Alone(money, imported, exported, home.totals().ev, home.truth().soc_pct)
