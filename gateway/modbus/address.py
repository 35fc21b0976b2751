"""Where a bus is and how it likes to be asked: pure values that datasheets and configuration share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gateway.modbus.frames import TidMode

Table = Literal["holding", "input", "coil", "discrete"]
Framing = Literal["tcp", "rtu_over_tcp", "rtu"]


@dataclass(frozen=True, slots=True)
class BusAddress:
    """Where a bus is; devices with an equal address share one connection."""

    framing: Framing = "tcp"
    host: str = ""
    port: int = 502
    serial: str = ""
    baud: int = 9600
    parity: str = "N"

    def __str__(self) -> str:
        return self.serial if self.framing == "rtu" else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class BusTiming:
    """How a device likes to be asked; seconds."""

    timeout_s: float = 2.0
    connect_delay_s: float = 0.0
    min_gap_s: float = 0.0
    tid_mode: TidMode = TidMode.STRICT

    def slower(self, other: BusTiming) -> BusTiming:
        """What suits both of two devices on one connection."""
        return BusTiming(
            max(self.timeout_s, other.timeout_s),
            max(self.connect_delay_s, other.connect_delay_s),
            max(self.min_gap_s, other.min_gap_s),
            self.tid_mode if other.tid_mode is TidMode.STRICT else other.tid_mode,
        )


USUAL_TIMING = BusTiming()
