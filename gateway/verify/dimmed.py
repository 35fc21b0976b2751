"""Whether the grid operator limits the home: then nothing is tried, since what is tried draws and feeds in. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from gateway.domain.grid_operator import NO_SIGNAL, SIGNAL, OperatorCommand, RelayInput
from gateway.domain.readings import Snapshot


@dataclass(frozen=True, slots=True)
class OperatorSigns:
    """What tells of it without an agent: relays' contacts by device, and the commands that the guard remembers."""

    relays: Mapping[str, Sequence[RelayInput]] = field(default_factory=dict)
    commands: Sequence[OperatorCommand] = ()

    def limited(self, snapshot: Snapshot, now: datetime) -> str:
        """By what the home is limited; empty if by nothing. A relay that cannot be read says nothing."""
        for command in self.commands:
            holds = command.until is None or now < command.until
            if command.limit_w is not None and holds:
                return (
                    f"the grid operator's command: {command.limit_w:.0f} W of {command.direction}"
                )
        for name, inputs in self.relays.items():
            device = snapshot.devices.get(name)
            said = device.text(SIGNAL) if device is not None else None
            for number in said.split(",") if said not in (None, NO_SIGNAL) else ():
                one = inputs[int(number) - 1]
                if (one.import_limit_w, one.export_limit_w) != (None, None):
                    return f"the grid operator's relay {name!r}: contact {number} is active"
        return ""
