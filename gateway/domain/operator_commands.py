"""The commands of the grid operator, apart from the user's: who may send them, the broker's access list says.

They rank above every setting of the user: what they limit no setting widens, and the page sends none of them. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.domain.grid_operator import Direction
from gateway.domain.sentences import sentence
from gateway.domain.setting_kinds import Number

HEARTBEAT = "operator_heartbeat"
_LIMIT = Number("W", 0, 1_000_000, optional=True)
_DURATION = Number("s", 1, 86_400)
_KEYS = frozenset({"limit_w", "duration_s"})


@dataclass(frozen=True, slots=True)
class OperatorSpec:
    """One command; ``direction`` None is the heartbeat."""

    name: str
    direction: Direction | None
    about: str
    unit: str = ""

    @property
    def allowed(self) -> str:
        """What its value may be, in words."""
        if self.direction is None:
            return "true"
        return (
            f'{{"limit_w": {_LIMIT.allowed}, "duration_s": {_DURATION.allowed}}}; '
            "null lifts the limit, without duration_s it holds while heartbeats come"
        )

    def read(self, value: Any) -> dict[str, Any]:
        """``limit_w`` and ``duration_s`` (each may be None); raises ValueError that says what would be right."""
        if self.direction is None:
            if value is not True:
                raise ValueError(sentence("refused.heartbeat"))
            return {}
        if value is None:
            return {"limit_w": None, "duration_s": None}
        if not isinstance(value, dict) or "limit_w" not in value or not _KEYS.issuperset(value):
            raise ValueError(sentence("refused.limit"))
        seconds = value.get("duration_s")
        return {
            "limit_w": _LIMIT.read(value["limit_w"]),
            "duration_s": None if seconds is None else _DURATION.read(seconds),
        }


OPERATOR_COMMANDS: Mapping[str, OperatorSpec] = {
    spec.name: spec
    for spec in (
        OperatorSpec(
            "operator_import_limit",
            "import",
            "the grid operator limits what is drawn from the grid (§14a EnWG, LPC)",
        ),
        OperatorSpec(
            "operator_export_limit",
            "export",
            "the grid operator limits what is fed into the grid (LPP)",
        ),
        OperatorSpec(
            HEARTBEAT,
            None,
            "the grid operator's control box is there; at least every 60 s",
        ),
    )
}
