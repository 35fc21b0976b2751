"""One device of the site and how it is reached, as the person configured it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceAddress:
    """``unit`` None: the usual one of the profile. ``control`` False: read only, never written."""

    name: str
    profile: str = "auto"
    host: str = ""
    port: int = 502
    unit: int | None = None
    framing: Literal["tcp", "rtu_over_tcp", "rtu"] = "tcp"
    serial: str = ""
    baud: int = 9600
    parity: Literal["N", "E", "O"] = "N"
    control: bool = True
