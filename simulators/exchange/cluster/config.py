"""cluster.toml: what a cluster is made of."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from gateway.errors import ConfigError

_Address = Annotated[str, Field(pattern=r"^[^:\s]+:\d{1,5}$")]


def _address(words: str) -> tuple[str, int]:
    host, _, port = words.rpartition(":")
    return host, int(port)


class ClusterConfig(BaseModel):
    """One zone. ``name`` tells it from others on the same NATS. ``edges`` are the addresses they listen on; ``state`` is the folder of credentials,
    certificates and the operator's socket. ``metrics``: where each edge serves /metrics, in their order; without them none does."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_]{1,32}$")] = "exchange"
    segment: Annotated[str, Field(pattern=r"^[A-Za-z0-9_]{1,32}$")] = "LZ_SOUTH"
    shards: Annotated[int, Field(ge=1, le=256)] = 4
    postgres: str
    nats: Annotated[tuple[str, ...], Field(min_length=1)]
    replicas: Annotated[int, Field(ge=1, le=5)] = 3
    edges: Annotated[tuple[_Address, ...], Field(min_length=1)] = ("127.0.0.1:8900",)
    metrics: tuple[_Address, ...] = ()
    state: Path = Path("cluster-state")

    @model_validator(mode="after")
    def _one_an_edge(self) -> Self:
        if self.metrics and len(self.metrics) != len(self.edges):
            raise ValueError(f"metrics has one address for each of the {len(self.edges)} edges")
        return self

    @property
    def prefix(self) -> str:
        """Names the streams and subjects of this zone."""
        return f"{self.name}-{self.segment}"

    def edge(self, number: int) -> tuple[str, int]:
        """Host and port of an edge."""
        return _address(self.edges[number])

    def metrics_of(self, number: int) -> tuple[str, int] | None:
        """Where an edge serves /metrics, by plain HTTP."""
        return _address(self.metrics[number]) if self.metrics else None

    def roles(self) -> list[str]:
        return [
            "leader",
            *(f"shard:{n}" for n in range(self.shards)),
            *(f"edge:{n}" for n in range(len(self.edges))),
        ]


def read_config(path: Path) -> ClusterConfig:
    """ConfigError names the file, the key and what would be right."""
    try:
        return ClusterConfig.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: {error}") from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"{path}: {where}: {first['msg']}") from None
