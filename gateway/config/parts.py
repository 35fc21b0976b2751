"""What every table of gateway.toml has in common: unknown keys are faults, names are kept short."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$")]
HostName = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$")]
Curve = tuple[tuple[float, float], ...]  # AC W, one-way efficiency
Port = Annotated[int, Field(ge=1, le=65535)]


class Part(BaseModel):
    """A table, or one of an array of tables."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
