"""What a simulated home is made of: place, seed, house, panels, car, and recorded data if any."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from simulators.data import Recording
from simulators.physics.cars import CarSchedule
from simulators.physics.heat import Boiler, HeatPump
from simulators.physics.script import Script
from simulators.physics.values import House
from simulators.physics.weather import Panels
from simulators.prices import PriceSeries, SyntheticPrices

# No clock of the world shows a whole second when it is first looked at: what is written, chained and compared must not need one.
ODD = timedelta(microseconds=417_253)


@dataclass(frozen=True, slots=True)
class Scenario:
    """One simulated home. With ``recording`` its load and PV are the recorded ones, with ``script`` all that
    happens is what stands there. ``boiler`` and ``heat_pump`` draw beside that load.

    ``load_shares`` are what each phase carries of the load. ``noise`` is the share by which recorded powers flicker within a quarter (its energy is kept).
    """

    start: datetime
    seed: int = 0
    latitude: float = 30.27
    longitude: float = -97.74
    time_zone: str = "America/Chicago"
    recording: Recording | None = None
    noise: float = 0.0
    house: House = field(default_factory=House)
    panels: Panels = field(default_factory=Panels)
    soc_pct: float = 50.0
    car: CarSchedule | None = field(default_factory=CarSchedule)
    car_soc_pct: float = 55.0
    load_shares: tuple[float, float, float] = (1 / 3, 1 / 3, 1 / 3)
    script: Script | None = None
    boiler: Boiler | None = None
    heat_pump: HeatPump | None = None

    def prices(self) -> PriceSeries:
        """The recorded prices, or seeded ones."""
        return self.recording.prices if self.recording else SyntheticPrices(self.seed)
