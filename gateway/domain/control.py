"""What the home's devices are asked to do, and within which limits."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Control(StrEnum):
    """A thing that can be steered; a device that cannot do it does not list it."""

    BATTERY_POWER = "battery_power_w"  # W, discharge +, charge -
    PV_LIMIT = "pv_limit_w"  # W, upper limit of the inverter's generation
    EXPORT_LIMIT = "export_limit_w"  # W, upper limit at the grid connection, kept by the device
    CHARGE_CURRENT = "charge_current_a"  # A per phase, 0 = pause


class Reason(StrEnum):
    """Which rule decided: the value is for programs, `words` are for people."""

    RELEASED = "released"
    NOT_MEASURED = "not_measured"
    SELF_CONSUMPTION = "self_consumption"
    PRICE_REST = "price_rest"
    PRICE_CHARGE = "price_charge"
    PRICE_DISCHARGE = "price_discharge"
    DELIVERY = "delivery"
    HOLD = "hold"
    RESERVE = "reserve"
    EXPORT_LIMIT = "export_limit"
    FUSE = "fuse"

    @property
    def words(self) -> str:
        """The reason as half a sentence."""
        return _WORDS[self]


_WORDS = {
    Reason.RELEASED: "left to the inverter",
    Reason.NOT_MEASURED: "left to the inverter: meter or battery does not answer",
    Reason.SELF_CONSUMPTION: "the inverter keeps the meter at zero",
    Reason.PRICE_REST: "the battery rests: later is better",
    Reason.PRICE_CHARGE: "the battery charges: energy is cheap now",
    Reason.PRICE_DISCHARGE: "the battery gives: energy is dear now",
    Reason.DELIVERY: "delivering what was sold",
    Reason.HOLD: "the battery is held by the user",
    Reason.RESERVE: "the battery is at its backup reserve",
    Reason.EXPORT_LIMIT: "no more may be fed into the grid",
    Reason.FUSE: "the fuse carries no more",
}


@dataclass(frozen=True, slots=True)
class Setpoints:
    """The decision of one control tick for the whole home. None = released to the device itself.

    ``battery_w`` discharge +, charge -. ``reason`` says which rule decided.
    ``export_limit_w`` is for devices that keep such a limit by themselves, ``pv_limit_w`` for a home
    that has none or whose device does not keep it now. ``charge_current_a`` is the sum over all
    cars; with more than one charger ``charge_shares_a`` says what each of them gets, by name.
    """

    battery_w: int | None = None
    pv_limit_w: int | None = None
    export_limit_w: int | None = None
    charge_current_a: float | None = None
    charge_shares_a: tuple[tuple[str, float], ...] = ()
    reason: Reason = Reason.RELEASED


@dataclass(frozen=True, slots=True)
class Limits:
    """The ordered chain fuse > grid operator > reserve; all powers W and >= 0, None = no such limit.

    ``max_charge_w`` / ``max_discharge_w`` are the battery's, None where nobody states them.
    ``import_limit_w`` is the fuse at the grid connection, ``export_limit_w`` the smallest of the
    connection agreement, the user's limit and the grid operator's.
    """

    import_limit_w: float | None
    export_limit_w: float | None
    reserve_pct: float
    max_charge_w: float | None
    max_discharge_w: float | None


@dataclass(frozen=True, slots=True)
class Commitment:
    """What was sold (+) or bought (-) for the present interval, and how far its delivery is.

    ``position_wh`` net export; ``delivered_wh`` net export so far, None while unknown;
    ``left_s`` seconds to the interval's end.
    """

    position_wh: int
    delivered_wh: float | None
    left_s: float
