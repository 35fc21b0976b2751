"""Relays behind HTTP: a plug in front of a heater, or the two contacts of a heat pump. On for as long as the guard's lease lasts,
and never longer than a minute after the last word.

Three timers stand behind each other. The guard's setpoint is a lease of seconds: when it has run out the bridge switches off what it had
switched on. The bridge says 'on' with the relay's own flip-back timer and says it again in time: when the bridge dies, the relay goes off.
While the guard asks for nothing, what a person or another program has switched on is left.

The registers, behind those of every bridged device (the guard's sheets bridge-heater.toml and bridge-heat-pump.toml say the same): what is asked
(of a plug W, 0 is off and more is on; of a heat pump its SG Ready state, 1 to 4; 65535: nothing) with the seconds for which that holds, and
whether the relays answer.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

from gateway.bounded_http import BoundedHttp
from gateway.bridge.format import BridgeSheet, Switch
from gateway.bridge.layout import registers
from gateway.bridge.reader import MOST_BYTES, BridgeError, answer, tls_of
from gateway.bridge.store import Values
from gateway.clock import Clock, every
from gateway.config.device_settings import DeviceSettings
from gateway.supervise import Availability

ASKED, LEASE = 300, 301
FREE = 0xFFFF  # nobody asks for anything
MOST_LEASE_S = 600
FLIP_BACK_S, AGAIN_S, LOOK_S = 60, 20.0, 2.0
_CONTACTS = {  # of the SG Ready label: the first blocks, the second encourages, both order
    1: (True, False),
    2: (False, False),
    3: (False, True),
    4: (True, True),
}


@dataclass
class Relay:
    """One relay. ``ours``: it is on, or may be, by our word. ``is_on``: whether it says so."""

    how: Switch
    is_on: Callable[[], bool]
    ours: bool = False
    _said: float | None = None  # when 'on' was taken last

    def due(self, wanted: bool, at: float) -> bool:
        """Whether it must be said now: 'on' before the relay's own timer ends, 'off' until it is taken."""
        if not wanted:
            return self.ours or self.is_on()
        return self._said is None or at - self._said >= AGAIN_S

    def told(self, on: bool, at: float) -> None:
        """It has taken it."""
        self.ours, self._said = on, at if on else None


@dataclass
class Relays:
    """What is asked of one device, and its relays. ``measured`` is the reading without which it is not known to be there."""

    values: Values
    clock: Clock
    relays: Sequence[Relay]
    measured: str
    wanted_of: Callable[[int], Sequence[bool] | None]
    _asked: int = FREE
    _until: float = field(default=-1.0)

    def take(self, first: int, words: tuple[int, ...]) -> bool:
        """What is asked and its lease are written together; whether they can be taken."""
        if first != ASKED or len(words) != 2:
            return False
        asked, lease_s = words
        if asked != FREE and (not self.answers or self.wanted_of(asked) is None):
            return False
        self._asked, self._until = asked, self.clock.monotonic() + min(lease_s, MOST_LEASE_S)
        return True

    @property
    def answers(self) -> bool:
        """Whether what it does is known now."""
        return self.values.now(self.measured) is not None

    @property
    def asked(self) -> tuple[int, int]:
        """What is asked and the seconds left as they stand now."""
        left_s = self._until - self.clock.monotonic()
        return (FREE, 0) if self._asked == FREE or left_s <= 0 else (self._asked, int(left_s))

    def due(self) -> list[tuple[Relay, bool]]:
        """What must be said now, 'off' before 'on': between two states of a heat pump none is worse than both."""
        asked, at = self.asked[0], self.clock.monotonic()
        wanted = None if asked == FREE else self.wanted_of(asked)
        if wanted is None:  # nobody asks: only what is on by our word goes off
            return [(relay, False) for relay in self.relays if relay.ours]
        pairs = zip(self.relays, wanted, strict=True)
        return sorted(((r, on) for r, on in pairs if r.due(on, at)), key=lambda pair: pair[1])

    def image(self) -> bytes:
        """All registers, as they are now."""
        base = registers(self.values.name, self.values.known())
        return base.ljust(2 * ASKED, b"\0") + struct.pack(">HHH", *self.asked, int(self.answers))


def relays_of(sheet: BridgeSheet, values: Values, clock: Clock) -> Relays | None:
    """Those of a sheet; None where it has none."""
    if sheet.switch is not None:
        plug = Relay(sheet.switch, lambda: (values.now("heat_power_w") or 0.0) > 0)
        return Relays(values, clock, (plug,), "heat_power_w", lambda watts: (watts > 0,))
    if sheet.contacts is not None:
        pair = [Relay(c, partial(_is_closed, values, i)) for i, c in enumerate(sheet.contacts)]
        return Relays(values, clock, pair, "heat_pump_state", _CONTACTS.get)
    return None


def _is_closed(values: Values, contact: int) -> bool:
    state = values.now("heat_pump_state")
    return state is not None and _CONTACTS[round(state) + 1][contact]


async def switch_for_ever(device: DeviceSettings, relays: Relays, clock: Clock) -> None:
    """One device."""
    http = BoundedHttp(tls_of(device), BridgeError, MOST_BYTES)
    availability = Availability(f"{device.name} (switching it)")
    try:
        async for _ in every(clock, LOOK_S):
            for relay, on in relays.due():
                relay.ours = relay.ours or on  # it may take it though its answer is lost
                try:
                    await answer(
                        http, device, relay.how.on_for(FLIP_BACK_S) if on else relay.how.off
                    )
                except BridgeError as error:
                    availability.lost(error)
                    break  # none is switched on while another cannot be switched off
                relay.told(on, clock.monotonic())
                availability.back()
    finally:
        try:
            for relay in relays.relays:
                if relay.ours:  # an end in peace does not wait for the relay's own timer
                    with suppress(BridgeError):
                        await answer(http, device, relay.how.off)
        finally:
            await http.close()
