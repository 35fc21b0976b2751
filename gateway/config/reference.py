"""docs/configuration.md, made from the models that check the file: ``python -m gateway.config.reference``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import time
from decimal import Decimal
from enum import StrEnum
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from gateway.config import tariff
from gateway.config.device_settings import DeviceInput, OcppStation
from gateway.config.heat_settings import HeatSettings
from gateway.config.settings import Settings

_HEAD = """# Configuration

Everything the gateway needs stands in one TOML file. A usual home writes the tables `site`, `device`,
`mqtt`, `tariff` and `market`; all other keys have a default that is right for most homes. `energy-gateway
scan` writes the device part, `energy-gateway check` tests the file and everything it names. Secrets
never stand in this file: it names files, or systemd hands them over as credentials.

This page is made from the code (`python -m gateway.config.reference > docs/configuration.md`).
"""
_PRICES = (
    tariff.FlatPrice, tariff.TimeOfUsePrice, tariff.TimeOfUsePeriod, tariff.WholesalePrice,
    tariff.PublishedPrice,
)  # fmt: skip
_PRICE_TEXT = """## Prices of a tariff

`import_price` and `export_price` are inline tables, told apart by `kind`.
"""


def reference() -> str:
    """The whole page as Markdown."""
    parts = [_HEAD, *_table("top level", Settings, scalars_only=True)]
    for name, field in Settings.model_fields.items():
        model = _model(field.annotation)
        if model is not None:
            brackets = f"[[{name}]]" if get_origin(field.annotation) is tuple else f"[{name}]"
            parts += _table(brackets, model)
        if name == "device":
            parts += _table("[[device.input]]", DeviceInput, level=3)
            parts += _table("[device.ocpp]", OcppStation, level=3)
            parts += _table("[device.heat]", HeatSettings, level=3)
    parts.append(_PRICE_TEXT)
    for price in _PRICES:
        kind = price.model_fields.get("kind")
        title = f'kind = "{get_args(kind.annotation)[0]}"' if kind else "one of `periods`"
        parts += _table(title, price, level=3)
    return "\n".join(parts).rstrip() + "\n"


def _table(
    title: str, model: type[BaseModel], *, scalars_only: bool = False, level: int = 2
) -> Iterator[str]:
    about = (model.__doc__ or "").strip() if not scalars_only else ""
    yield f"{'#' * level} {title}\n"
    if about:
        yield " ".join(about.split()) + "\n"
    yield "| key | value | default | |"
    yield "|---|---|---|---|"
    for name, field in model.model_fields.items():
        if name == "kind" or (scalars_only and _model(field.annotation)):
            continue
        yield f"| `{field.alias or name}` | {_kind(field)} | {_default(field)} | {_about(field)} |"
    yield ""


def _model(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((m for part in get_args(annotation) if (m := _model(part))), None)


_WORDS = {
    str: "text", int: "whole number", float: "number", bool: "true or false",
    Decimal: "amount, as text", time: "time of day",
}  # fmt: skip


def _kind(field: FieldInfo) -> str:
    words = _words(field.annotation)
    bounds = [
        f"{sign} {getattr(rule, name)}"
        for rule in field.metadata
        for name, sign in (("ge", ">="), ("gt", ">"), ("le", "<="), ("lt", "<"))
        if getattr(rule, name, None) is not None
    ]
    return ", ".join([words, *bounds])


def _words(annotation: Any) -> str:
    if annotation in _WORDS:
        return _WORDS[annotation]
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "table"
    if isinstance(annotation, type) and issubclass(annotation, StrEnum):
        return " or ".join(f"`{choice}`" for choice in annotation)
    name = getattr(annotation, "__name__", str(annotation))
    if name in ("Path", "AwareDatetime"):
        return "path" if name == "Path" else "time, UTC"
    args = [a for a in get_args(annotation) if a is not type(None)]
    if all(isinstance(a, str | int) for a in args) and args:
        return " or ".join(f"`{a}`" for a in args)
    if get_origin(annotation) is tuple:
        return f"list of {_words(args[0])}"
    return _words(args[0]) if args else name.lower()


def _default(field: FieldInfo) -> str:
    if field.default is PydanticUndefined:
        return "needed"
    value = field.default
    if value is None or isinstance(value, tariff.PublishedPrice):
        return "none"
    if isinstance(value, BaseModel):
        inner = value.model_dump(exclude_none=True)
        return "`" + ", ".join(f"{k} = {_plain(v)}" for k, v in inner.items()) + "`"
    if value == ():
        return "all"
    return f"`{_plain(value)}`"


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, time):
        return f"{value:%H:%M}"
    if isinstance(value, str | Decimal):
        return f'"{value}"'
    return f"{value:g}" if isinstance(value, float) else str(value)


def _about(field: FieldInfo) -> str:
    return field.description or ""


if __name__ == "__main__":
    sys.stdout.write(reference())
