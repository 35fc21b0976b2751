"""Every number that the study assumes, with its unit and where it comes from.

A scenario file changes them one by one (``[table] key = value``); the report and the JSON list
them. [A] marks an assumption of ours: nobody is cited for it, and it is the first to doubt.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.fields import FieldInfo


class Table(BaseModel):
    """One table of a scenario file."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def assume(default: Any, unit: str, source: str, **limits: Any) -> Any:
    """A field with its unit and source; ``limits`` are pydantic's (ge, le, gt, lt)."""
    return Field(default, description=unit, json_schema_extra={"source": source}, **limits)


def listed(scenario: BaseModel) -> list[dict[str, Any]]:
    """All assumptions as rows: table, key, value, unit, source."""
    rows: list[dict[str, Any]] = []
    for table, info in type(scenario).model_fields.items():
        part = getattr(scenario, table)
        if isinstance(part, BaseModel):
            rows += [
                _row(table, part, key, field) for key, field in type(part).model_fields.items()
            ]
        else:
            rows.append(_row("", scenario, table, info))
    return rows


def _row(table: str, part: BaseModel, key: str, field: FieldInfo) -> dict[str, Any]:
    extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    return {
        "table": table,
        "key": key,
        "value": part.model_dump(mode="json")[key],
        "unit": field.description or "",
        "source": str(extra.get("source", "")),
    }
