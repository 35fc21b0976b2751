"""What is known of one charger that dials in, and what it is asked to take. Pure but for the clock.

The guard's setpoint is a lease: it is written with the seconds for which it holds. When those have passed nothing is asked any
more; the charger then falls back to the current that is safe under the fuse, by a profile of its own.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from gateway.bridge.layout import STATES, Known
from gateway.clock import Clock
from gateway.escape import printable

log = logging.getLogger(__name__)

FREE = 0xFFFF  # as a setpoint: nobody asks for anything
STALE_S = 60.0  # a power that is older is not known; chargers are asked for one each 10 s
AWAY_S = 30.0  # so long a lost connection may come back before nothing is known of the charger
LATE_S = 120.0  # a measurement that is older when it comes is one of a time without connection
_CLOCK_OFF_S = 3.0
_MOST_LEASE_S = 600


@dataclass
class Transaction:
    """A stay of a car. ``id`` is the charger's word or number for it; Wh at its beginning, if told."""

    id: str | int
    began_wh: float | None = None


@dataclass
class Charger:
    """One station with one outlet. ``safe_a`` is what it may take when nobody steers it; with ``starts`` a car that is
    plugged in is let charge. Who may charge at all is in ``id_tags``; nobody there: everybody.
    """

    name: str
    clock: Clock
    safe_a: float = 6.0
    id_tags: tuple[str, ...] = ()
    starts: bool = True
    connected: bool = False
    state: str | None = None
    transaction: Transaction | None = None
    takes_profiles: bool = True
    switches_phases: bool = False  # it says that it changes from three to one in a transaction
    one_period: bool = False  # it says that a schedule of its has one period only
    greeted: bool = False  # it was asked who it is and what it can
    clock_off: timedelta = timedelta()
    vendor: str = ""
    model: str = ""
    firmware: str = ""
    serial: str = ""
    _power: tuple[float, float] | None = None  # W, monotonic s
    _energy_wh: float | None = None
    _left_at: float = float("-inf")
    _limit: int = FREE
    _until: float = float("-inf")
    _lease_s: int = 0
    _one_until: float = float("-inf")
    _one_lease_s: int = 0
    changes: int = 0  # of what is asked; a session looks at it
    _answers: dict[str, dict[str, Any]] = field(default_factory=dict)
    _over: deque[str | int] = field(default_factory=lambda: deque(maxlen=50))

    # What it says

    def came(self) -> None:
        self.connected = True

    def went(self) -> None:
        self.connected, self._left_at = False, self.clock.monotonic()

    def booted(self, told: Mapping[str, Any]) -> None:
        """Who it is. It may be in the middle of a transaction, which it names with its next message."""
        self.vendor = printable(str(told.get("chargePointVendor", told.get("vendorName", ""))))
        self.model = printable(str(told.get("chargePointModel", told.get("model", ""))))
        self.firmware = printable(str(told.get("firmwareVersion", "")))
        serial = told.get("chargePointSerialNumber", told.get("serialNumber")) or told.get(
            "chargeBoxSerialNumber", ""
        )
        self.serial = printable(str(serial))
        self.changes += 1

    @property
    def unknown(self) -> bool:
        """Whether it never said who it is: it need not after a lost connection, also if we were started anew meanwhile."""
        return not (self.model or self.serial)

    def is_in(self, state: str) -> None:
        """One of the bridge's words for a charger's state."""
        if state not in STATES:
            return
        self.state = state
        if state != "charging":
            self._power = None
        if state == "idle" and self.transaction is not None:
            self.transaction = None  # its end was never told
        self.changes += 1

    def is_over(self, transaction: str | int) -> bool:
        """Whether its end was told: what comes of it later is of the past, and no transaction to limit."""
        return transaction in self._over

    def began(self, transaction: str | int, meter_wh: float | None) -> None:
        if self.is_over(transaction):
            return
        if self.transaction is None or self.transaction.id != transaction:
            self.transaction = Transaction(transaction, meter_wh)
            self.changes += 1
        elif self.transaction.began_wh is None:
            self.transaction.began_wh = meter_wh

    def ended(
        self, transaction: str | int | None, meter_wh: float | None, at: datetime | None
    ) -> None:
        """One that it does not have now is of the past, and tells nothing of the present."""
        if not self.is_late(at):
            self.counted(meter_wh)
        if transaction is not None:
            self._over.append(transaction)
        if self.transaction is not None and transaction in (None, self.transaction.id):
            self.transaction, self._power = None, None
            self.changes += 1

    def measured(self, values: Mapping[str, float], at: datetime | None) -> None:
        """W and Wh, as old as ``at`` says by the charger's clock."""
        if self.is_late(at):
            return
        power = values.get("Power.Active.Import")
        if power is not None:
            self._power = (power, self.clock.monotonic())
        self.counted(values.get("Energy.Active.Import.Register"))

    def counted(self, wh: float | None) -> None:
        if wh is None:
            return
        self._energy_wh = wh
        if self.transaction is not None and self.transaction.began_wh is None:
            self.transaction.began_wh = wh  # booted in mid-session: counted from here

    def says_the_time(self, at: datetime | None) -> None:
        """Of a message about the present: how far its clock is off ours."""
        if at is None:
            return
        off = at - self.clock.now()
        was = abs(self.clock_off.total_seconds()) > _CLOCK_OFF_S
        self.clock_off = off if abs(off.total_seconds()) > _CLOCK_OFF_S else timedelta()
        if not was and self.clock_off:
            log.warning(
                "%s: its clock is off by %.0f s; its limits are given in its own time",
                self.name, off.total_seconds(),
            )  # fmt: skip

    def is_late(self, at: datetime | None) -> bool:
        if at is None:
            return False
        return self.clock.now() + self.clock_off - at > timedelta(seconds=LATE_S)

    def once(self, key: str, answer: dict[str, Any]) -> dict[str, Any]:
        """The answer that the same message had before; a few are remembered."""
        if key not in self._answers:
            self._answers[key] = answer
            while len(self._answers) > 50:
                self._answers.pop(next(iter(self._answers)))
        return self._answers[key]

    def knows(self, tag: str) -> bool:
        """Whether who shows ``tag`` may charge; at home everybody may where nobody is named."""
        return not self.id_tags or tag.upper() in {t.upper() for t in self.id_tags}

    # What the guard reads

    def known(self) -> Known:
        return {
            "charger_state": lambda: STATES.index(self.state) if self._is_there and self.state else None,
            "charger_power_w": self._power_w,
            "charger_energy_wh": lambda: self._energy_wh if self._is_there else None,
            "charger_session_wh": self._session_wh,
        }  # fmt: skip

    @property
    def _is_there(self) -> bool:
        return self.connected or self.clock.monotonic() - self._left_at < AWAY_S

    @property
    def heard(self) -> bool:
        """Whether it has said how it is, and how much it gives where it charges."""
        measured = self.state != "charging" or self._power is not None
        return self.greeted and self.state is not None and measured

    @property
    def steerable(self) -> bool:
        """Whether it is there and takes a current."""
        return self.connected and self.takes_profiles

    def _power_w(self) -> float | None:
        if not self._is_there or self.state is None:
            return None
        if self.state != "charging":
            return 0.0  # it says that it gives no energy
        if self._power is None or self.clock.monotonic() - self._power[1] > STALE_S:
            return None
        return self._power[0]

    def _session_wh(self) -> float | None:
        if not self._is_there:
            return None
        if self.transaction is None:
            return 0.0 if self.state == "idle" else None
        began = self.transaction.began_wh
        if began is None or self._energy_wh is None:
            return None
        return max(0.0, self._energy_wh - began)

    # What the guard asks

    def ask(self, limit: int, lease_s: int) -> bool:
        """``limit`` in 0.01 A, or FREE. Whether it can be taken."""
        if limit != FREE and not self.steerable:
            return False
        changed = limit != self._limit
        self._limit, self._lease_s = limit, min(lease_s, _MOST_LEASE_S)
        self._until = self.clock.monotonic() + self._lease_s
        if changed:
            self.changes += 1
        return True

    def ask_phases(self, one: bool, lease_s: int) -> bool:
        """To charge from one phase for so long, or from those it has. Whether it can be taken."""
        if one and not (self.steerable and self.switches_phases):
            return False
        before = self.one_phase
        self._one_lease_s = min(lease_s, _MOST_LEASE_S)
        self._one_until = self.clock.monotonic() + self._one_lease_s if one else float("-inf")
        self.changes += before != one
        return True

    def stays_on_its_phases(self) -> None:
        """It refused one phase: it is not asked for that again before it dials anew."""
        log.warning("%s does not charge from one phase, though it says that it can", self.name)
        self.switches_phases, self._one_until = False, float("-inf")

    @property
    def one_phase(self) -> bool:
        """Whether it is asked to charge from one phase now."""
        return self.clock.monotonic() < self._one_until

    @property
    def asked_phases(self) -> tuple[int, int]:
        """1 for one phase, and the lease, as they stand now."""
        return (1, self._one_lease_s) if self.one_phase else (0, 0)

    @property
    def asked(self) -> tuple[int, int]:
        """Limit and lease as they stand now."""
        return (self._limit, self._lease_s) if self.clock.monotonic() < self._until else (FREE, 0)

    @property
    def is_free(self) -> bool:
        """The guard has let it go: nothing of ours may stay in it. A lease that has run out is no such word."""
        return self._limit == FREE

    @property
    def limit_a(self) -> tuple[float, float] | None:
        """A and for how many seconds; None when nobody asks."""
        left_s = self._until - self.clock.monotonic()
        return None if self._limit == FREE or left_s <= 0 else (self._limit / 100, left_s)
