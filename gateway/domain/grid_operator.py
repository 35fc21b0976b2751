"""What the grid operator may ask of the home, and what is guaranteed to it all the same.

The words are those of the use cases LPC and LPP (limitation of power consumption and production, EEBus;
VDE-AR-E 2829-6) and of §14a EnWG (BNetzA BK6-22-300). Powers W, times s unless they are moments.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal

Direction = Literal["import", "export"]
Source = Literal["mqtt", "programme"]  # whose commands: the operator's own, a programme's events
HEARTBEAT_LOST_S = 120.0  # LPC: so long without a heartbeat is the fail-safe state
INIT_S = 120.0  # LPC: so long after a start the fail-safe value holds and a limit is waited for
LEAST_FAILSAFE_S = 2 * 3600.0
MOST_FAILSAFE_S = 24 * 3600.0
LEAST_14A_W = 4_200.0
SIGNAL = (
    "operator_signal"  # the reading of a relay: the numbers of its active contacts, or NO_SIGNAL
)
NO_SIGNAL = "none"
_LARGE_HEAT_PUMP = 0.4  # of its power, where that is more than 11 kW
# BK6-22-300, annex 1: how many controllable devices share one limit -> the factor of each further one
_SIMULTANEITY = {2: 0.8, 3: 0.75, 4: 0.7, 5: 0.65, 6: 0.6, 7: 0.55, 8: 0.5}
_SIMULTANEITY_OF_MORE = 0.45


class OperatorPhase(StrEnum):
    """The states of a controllable system (LPC and LPP)."""

    INIT = "init"
    UNLIMITED = "unlimited/controlled"
    LIMITED = "limited"
    FAILSAFE = "failsafe"
    AUTONOMOUS = "unlimited/autonomous"


@dataclass(frozen=True, slots=True)
class RelayInput:
    """One contact of a relay or ripple-control receiver: while it is as ``active`` says, these limits hold."""

    address: int
    table: Literal["coil", "discrete"] = "discrete"
    active: bool = True
    import_limit_w: float | None = None
    export_limit_w: float | None = None

    def limit_w(self, direction: Direction) -> float | None:
        return self.import_limit_w if direction == "import" else self.export_limit_w


@dataclass(frozen=True, slots=True)
class OperatorRules:
    """How the operator's word is taken in this home.

    ``controllable``: an import limit is for what can be steered alone (car, battery's charging), as §14a
    has it: the house is not dimmed, and own sun is netted. Else it holds at the connection.
    ``guaranteed_w`` is the least that no import limit takes away. ``heartbeat``: whoever commands over MQTT
    sends heartbeats, and is lost without them. A fail-safe of None is no limit.
    """

    controllable: bool = True
    heartbeat: bool = False
    guaranteed_w: float = LEAST_14A_W
    failsafe_import_w: float | None = LEAST_14A_W
    failsafe_export_w: float | None = None
    failsafe_s: float = LEAST_FAILSAFE_S

    def failsafe_w(self, direction: Direction) -> float | None:
        return self.failsafe_import_w if direction == "import" else self.failsafe_export_w


@dataclass(frozen=True, slots=True)
class OperatorCommand:
    """One command: a limit, or None to lift it. ``until`` None: as long as heartbeats come.

    A programme's limit (OpenADR) is of the connection, and nothing of it is guaranteed: the contract says what it may ask.
    """

    id: str
    direction: Direction
    limit_w: float | None
    until: datetime | None = None
    source: Source = "mqtt"


@dataclass(frozen=True, slots=True)
class OperatorWord:
    """What the agent heard of the operator: the newest command of each source and direction, the newest
    heartbeat's id."""

    commands: tuple[OperatorCommand, ...] = ()
    heartbeat: str = ""


@dataclass(frozen=True, slots=True)
class OperatorReport:
    """What holds of one source of limits in one direction: for people and for answers to commands."""

    source: str
    direction: Direction
    phase: OperatorPhase
    limit_w: float | None
    command_id: str = ""
    until: datetime | None = None


def guaranteed_14a_w(devices: int, large_heat_pumps_w: Sequence[float] = ()) -> float:
    """The least power that an operator leaves to ``devices`` controllable ones behind one manager, W.

    P_min,14a = max(0.4 x sum of heat pumps above 11 kW; 4.2 kW) + (n - 1) x factor x 4.2 kW.
    """
    first = max(_LARGE_HEAT_PUMP * sum(large_heat_pumps_w), LEAST_14A_W)
    factor = _SIMULTANEITY.get(devices, _SIMULTANEITY_OF_MORE if devices > 8 else 0.0)
    return first + max(0, devices - 1) * factor * LEAST_14A_W
