"""Which changes of the home are told at once, and which can wait for the next regular message. Pure.

A power that leaves its deadband, a state of charge that moves by a percent, a state, a loss: somebody looks at them, or has an
automation wait for them. What moves by less, and counters, are told with everything else every ``publish_s``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from gateway.domain.metrics import METRICS
from gateway.domain.readings import DeviceState, Quality, Reading, Snapshot
from gateway.domain.sentences import Sentence

PART = 0.05  # of the value that was told last: a power's deadband, if that is wider
DEADBAND: Mapping[str, float] = {"W": 50.0, "%": 1.0, "A": 0.5, "°C": 2.0, "Hz": 0.2}  # by unit

Shown = float | str | None


class Changes:
    """Remembers what was told last of each device."""

    def __init__(self) -> None:
        self._told: dict[str, tuple[bool, tuple[Sentence, ...], dict[str, Shown]]] = {}

    def urgent(self, snapshot: Snapshot) -> list[DeviceState]:
        """The devices of which something must be told at once."""
        return [d for d in snapshot.devices.values() if self._is_urgent(d)]

    def told(self, devices: Iterable[DeviceState]) -> None:
        """All of these was told now."""
        for device in devices:
            shown = {name: _shown(reading) for name, reading in device.readings.items()}
            self._told[device.name] = (device.online, device.notes, shown)

    def _is_urgent(self, device: DeviceState) -> bool:
        online, notes, told = self._told.get(device.name, (None, (), {}))
        if online is not device.online or notes != device.notes:
            return True
        return any(
            name not in told or moved(name, told[name], _shown(reading))
            for name, reading in device.readings.items()
        )


def moved(metric: str, before: Shown, now: Shown) -> bool:
    """Whether a metric has moved by more than its deadband."""
    if not (isinstance(before, int | float) and isinstance(now, int | float)):
        return before != now
    known = METRICS.get(metric)
    least = DEADBAND.get(known.unit if known else "")
    if least is None:
        return False
    if known is not None and known.unit == "W":
        least = max(least, PART * abs(before))
    return abs(now - before) > least


def _shown(reading: Reading) -> Shown:
    return reading.value if reading.quality is Quality.GOOD else None
