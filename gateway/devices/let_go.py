"""Letting go of a control: neutral again, and nothing switched under load."""

from __future__ import annotations

from gateway.clock import pause
from gateway.devices.setpoint_lease import SetpointLease
from gateway.domain.sentences import Sentence, sentence

# A car opens its own switch within 3 s of a pause (IEC 61851-1): time to wait for it while we end, and at a start.
PAUSED_S, PAUSED_AT_START_S = 4.0, 20.0
_LOOK_S = 0.5


async def let_go(
    lease: SetpointLease, current: SetpointLease | None, patience_s: float = PAUSED_S
) -> list[Sentence]:
    """A sentence for each step that failed. A car that draws is paused by ``current`` before its phases are given back.

    One that does not stop within ``patience_s`` keeps them, and what is owed is tried again at the next start.
    """
    if not await lease.would_switch_load():
        return await lease.release()
    what = lease.sheet.control.value
    if current is None:
        return [sentence("lost.car_charges", what)]
    before = current.value
    problems = [sentence("lost.car_charges_on", what)]
    try:
        for _ in range(int(patience_s / _LOOK_S)):
            await current.hold(0.0)
            if not await lease.would_switch_load():
                problems = await lease.release()
                break
            await pause(_LOOK_S)
    finally:
        if before is None:
            problems += await current.release()
        else:
            await current.hold(before)
    return problems
