"""A plug in front of a heater: switched on for as long as the guard's lease lasts, and never longer than a minute after the last word.

Three timers stand behind each other. The guard's setpoint is a lease of seconds: when it has run out the bridge switches off what it had
switched on. The bridge says 'on' with the plug's own flip-back timer and says it again in time: when the bridge dies, the plug goes off.
While the guard asks for nothing, what a person or another program has switched on is left.

Its registers, behind those of every bridged device (the guard's sheet bridge-heater.toml says the same): what is asked (W; 0 is
off, more is on; 65535: nothing) with the seconds for which that holds, and whether the plug answers.
"""

from __future__ import annotations

import struct
from contextlib import suppress
from dataclasses import dataclass, field

from gateway.bounded_http import BoundedHttp
from gateway.bridge.format import Switch
from gateway.bridge.layout import registers
from gateway.bridge.reader import MOST_BYTES, BridgeError, answer, tls_of
from gateway.bridge.store import Values
from gateway.clock import Clock, every
from gateway.config.device_settings import DeviceSettings
from gateway.supervise import Availability

POWER, LEASE = 300, 301
FREE = 0xFFFF  # nobody asks for anything
MOST_LEASE_S = 600
FLIP_BACK_S, AGAIN_S, LOOK_S = 60, 20.0, 2.0
_MEASURED = "heat_power_w"


@dataclass
class Plug:
    """What is asked of one plug. ``ours``: it is on, or may be, by our word."""

    values: Values
    clock: Clock
    ours: bool = False
    _asked: int = FREE
    _until: float = field(default=-1.0)
    _said: float | None = None  # when 'on' was taken last

    def take(self, first: int, words: tuple[int, ...]) -> bool:
        """Power and lease are written together; whether they can be taken."""
        if first != POWER or len(words) != 2 or (words[0] != FREE and not self.answers):
            return False
        self._asked, lease_s = words
        self._until = self.clock.monotonic() + min(lease_s, MOST_LEASE_S)
        return True

    @property
    def answers(self) -> bool:
        """Whether what it draws is known now."""
        return self.values.now(_MEASURED) is not None

    @property
    def asked(self) -> tuple[int, int]:
        """Power and seconds left as they stand now."""
        left_s = self._until - self.clock.monotonic()
        return (FREE, 0) if self._asked == FREE or left_s <= 0 else (self._asked, int(left_s))

    @property
    def wanted(self) -> bool | None:
        """On, off, or None where there is nothing to say to it."""
        power, _ = self.asked
        if power != FREE:
            return power > 0
        return False if self.ours else None

    def due(self, wanted: bool) -> bool:
        """Whether it must be said now: 'on' before the plug's own timer ends, 'off' until it is taken."""
        if not wanted:
            return self.ours or (self.values.now(_MEASURED) or 0.0) > 0
        return self._said is None or self.clock.monotonic() - self._said >= AGAIN_S

    def told(self, on: bool) -> None:
        """It has taken it."""
        self.ours, self._said = on, self.clock.monotonic() if on else None

    def image(self) -> bytes:
        """All registers, as they are now."""
        base = registers(self.values.name, self.values.known())
        return base.ljust(2 * POWER, b"\0") + struct.pack(">HHH", *self.asked, int(self.answers))


async def switch_for_ever(device: DeviceSettings, plug: Plug, how: Switch, clock: Clock) -> None:
    """One plug."""
    http = BoundedHttp(tls_of(device), BridgeError, MOST_BYTES)
    availability = Availability(f"{device.name} (switching it)")
    try:
        async for _ in every(clock, LOOK_S):
            wanted = plug.wanted
            if wanted is None or not plug.due(wanted):
                continue
            plug.ours = plug.ours or wanted  # it may take it though its answer is lost
            try:
                await answer(http, device, how.on_for(FLIP_BACK_S) if wanted else how.off)
                plug.told(wanted)
                availability.back()
            except BridgeError as error:
                availability.lost(error)
    finally:
        try:
            if plug.ours:  # an end in peace does not wait for the plug's own timer
                with suppress(BridgeError):
                    await answer(http, device, how.off)
        finally:
            await http.close()
