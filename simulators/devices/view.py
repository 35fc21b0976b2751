"""What a device knows of the home: powers, counters, state of charge; and how it may be wrong.

The device faults that are not faults of the wire act here, before anything is packed: a blind
device shows 'not implemented' everywhere, a waking one shows counters of zero, a firmware may turn
the sign of battery and grid, and scale factors may move from one request to the next.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from math import nan

from simulators.physics.home import Home
from simulators.physics.noise import smooth
from simulators.physics.sensors import Sensors
from simulators.physics.values import Powers, soc_pct

_BLIND = Powers(**{f.name: nan for f in fields(Powers)})
_TOTAL_OF = {"charger": "ev"}  # counters whose name differs from that of the total


@dataclass(frozen=True, slots=True)
class Lifetime:
    """Wh that the counters had when the simulation began."""

    pv: float = 8_123_456.0
    inverter_out: float = 8_010_203.0
    charge: float = 2_345_678.0
    discharge: float = 2_210_987.0
    grid_import: float = 6_543_210.0
    grid_export: float = 3_210_987.0
    charger: float = 1_234_567.0


class View:
    """One device's eyes on the home."""

    def __init__(
        self,
        home: Home,
        lifetime: Lifetime | None = None,
        sunspec_base: int = 40000,
        *,
        sees_right: bool = False,
    ) -> None:
        """``sunspec_base``: where a SunSpec device puts its chain of models. ``sees_right``: whatever sensors err."""
        self.home, self.sunspec_base = home, sunspec_base
        self.lifetime = lifetime or Lifetime()
        script = home.scenario.script
        errs = script is not None and script.sensors and not sees_right
        self._sensors = Sensors(script.sensors) if script is not None and errs else None
        self.clear()

    def clear(self) -> None:
        """See right again."""
        self.blind = False
        self.zeroed = False
        self.flipped = False
        self.coarse = 0  # steps by which scale factors are coarser than the finest

    def powers(self) -> Powers:
        """Powers of the last step in W; NaN when blind."""
        if self.blind:
            return _BLIND
        powers = self.home.powers()
        if self._sensors is not None:
            powers = self._sensors.powers(self.home.now, powers)
        if self.flipped:
            return replace(powers, battery=-powers.battery, grid=-powers.grid)
        return powers

    def phases_w(self) -> tuple[float, float, float]:
        """The grid's power a phase, W; NaN when blind. A car on fewer phases is on the first."""
        powers, shares = self.powers(), self.home.scenario.load_shares
        even = (powers.inverter_ac + powers.ac_pv + powers.storage) / 3
        cars = self.home.cars_w()
        each = [
            powers.load * share + sum(w / on for w, on in cars if i < on) - even
            for i, share in enumerate(shares)
        ]
        rest = (powers.grid - sum(each)) / 3  # what is not told apart, on all alike
        first, second, third = (watts + rest for watts in each)
        return first, second, third

    def counter(self, name: str) -> float:
        """A lifetime counter in Wh; NaN when blind, 0 at wake-up."""
        if self.blind:
            return nan
        if self.zeroed:
            return 0.0
        base: float = getattr(self.lifetime, name)
        gained: float = getattr(self.home.totals(), _TOTAL_OF.get(name, name))
        if self._sensors is not None and name.startswith("grid"):
            return self._sensors.counter("grid", name, self.home.now, base + gained)
        return base + gained

    def soc_pct(self) -> float:
        return nan if self.blind else soc_pct(self.home.house, self.home.state())

    def frequency_hz(self) -> float:
        """A grid frequency that wanders a little about 60 Hz."""
        if self.blind:
            return nan
        home = self.home
        return 59.96 + 0.08 * smooth(home.now.timestamp() / 30, home.scenario.seed, 60)

    def start_before(self, name: str, limit_wh: float) -> None:
        """Let a counter stand at ``limit_wh`` now, e.g. shortly before it wraps."""
        total = getattr(self.home.totals(), _TOTAL_OF.get(name, name))
        self.lifetime = replace(self.lifetime, **{name: limit_wh - total})
