"""What OCPP 1.6 and 2.0.1 call the same things: answers to a charger, and what it is asked. Pure.

A dialect answers a message of the charger by telling `Charger` what it means, and words our own requests.
Facts: OCPP 1.6 edition 2 and its JSON edition; OCPP 2.0.1 part 2 (use cases B01, C01, E02, K01, K15) and its schemas. Whether a charger changes
from three phases to one in a transaction: `ConnectorSwitch3to1PhaseSupported` (1.6, 9.4.4), `SmartChargingCtrlr.Phases3to1` (2.0.1, appendix 3);
which phase that is stays the charger's choice (`phaseToUse` is not told).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol

from gateway.bridge.ocpp.charger import Charger

Payload = dict[str, Any]
Request = tuple[str, Payload]
DEFAULT_ID, TX_ID, PAUSE_ID = 4711, 4712, 4713  # our profiles; each replaces itself and no other's
OVER_DEFAULT, OVER_PAUSE = (
    1,
    2,
)  # stack levels: a higher one holds while it lasts, then the one below it
SAMPLE_S = 10
PAUSE_S = 10  # before the phases come back by themselves: a car ramps down within 5 s (IEC 61851)


class UnknownAction(Exception):
    """The charger asks for what this dialect does not have."""


class Dialect(Protocol):
    """One version of OCPP."""

    version: str
    subprotocol: str

    def answer(self, charger: Charger, action: str, told: Mapping[str, Any]) -> Payload:
        """Hear one message and answer it; raises UnknownAction."""

    def heard_of_operator(self, charger: Charger, action: str, answer: Mapping[str, Any]) -> None:
        """What the operator's answer to the charger means here: its name for a transaction."""

    def greetings(self, charger: Charger) -> list[Request]:
        """After it has booted, or come back: what it shall measure, what it can, and how it is."""

    def told(self, charger: Charger, action: str, answer: Mapping[str, Any]) -> None:
        """What its answer to one of the greetings means."""

    def safe(self, charger: Charger) -> Request:
        """The current that holds whenever nobody steers: a default of every transaction."""

    def limit(self, charger: Charger, amps: float, seconds: int, now: datetime) -> list[Request]:
        """A current for so long, as profiles to be taken in this order; none while there is no transaction to limit."""

    def clear(self, charger: Charger) -> list[Request]:
        """All our profiles go."""

    def start(self, charger: Charger) -> Request:
        """A car that is plugged in may charge."""


def handler(action: str) -> str:
    """The name of the method that hears an action: ``BootNotification`` -> ``_on_boot_notification``."""
    return "_on" + re.sub(r"[A-Z]", lambda letter: f"_{letter[0].lower()}", action)


def lease(now: datetime, charger: Charger, seconds: int) -> Payload:
    """A schedule's beginning and length, in the charger's own time: a little before now, so that it has begun."""
    begins = now + charger.clock_off
    return {"startSchedule": begins.strftime("%Y-%m-%dT%H:%M:%SZ"), "duration": seconds}


def schedule(amps: float, *, one_phase: bool = False, seconds: int = 0) -> Payload:
    """A current in A. On one phase it ends in a pause, so that nothing is switched under load when nobody renews it."""
    period: Payload = {"startPeriod": 0, "limit": round(amps, 1)}
    periods = [period]
    if one_phase:
        period["numberPhases"] = 1
        if seconds > PAUSE_S:
            periods.append({"startPeriod": seconds - PAUSE_S, "limit": 0, "numberPhases": 1})
    return {"chargingRateUnit": "A", "chargingSchedulePeriod": periods}


def held(
    charger: Charger, amps: float, seconds: int, now: datetime
) -> list[tuple[int, int, Payload]]:
    """Identifier, stack level and schedule of each profile that is a current for so long.

    Where a schedule has one period, the pause that ends one phase is a profile of its own: it lies below, lasts longer, and is taken first.
    """
    level = OVER_PAUSE if charger.one_period else OVER_DEFAULT
    one = charger.one_phase
    if not (one and charger.one_period and seconds > PAUSE_S):
        whole = schedule(amps, one_phase=one, seconds=0 if charger.one_period else seconds)
        return [(TX_ID, level, whole | lease(now, charger, seconds))]
    pause = schedule(0, one_phase=True) | lease(now, charger, seconds)
    short = schedule(amps, one_phase=True) | lease(now, charger, seconds - PAUSE_S)
    return [(PAUSE_ID, OVER_DEFAULT, pause), (TX_ID, level, short)]


def ours(charger: Charger) -> list[int]:
    """The identifiers of the profiles that it may have of us."""
    return [TX_ID, *([PAUSE_ID] if charger.one_period else []), DEFAULT_ID]


def number(value: object) -> float | None:
    """A counter in Wh, as it is told."""
    return float(value) if isinstance(value, int | float) and 0 <= value < 1e9 else None
