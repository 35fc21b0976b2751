"""Interim."""

from dataclasses import replace

from gateway.control.inputs import Decision, DecisionInputs
from gateway.domain.control import Reason, Setpoints


def decide(inputs: DecisionInputs) -> Decision:
    held = inputs.settings.battery == "hold"
    setpoints = Setpoints(
        battery_w=0 if held else None, reason=Reason.HOLD if held else Reason.RELEASED
    )
    return Decision(setpoints, replace(inputs.memory, setpoints=setpoints))
