"""What every table of gateway.toml has in common: unknown keys are faults, names are kept short."""

from __future__ import annotations

import ipaddress
import re
from datetime import time
from typing import Annotated, Any, get_args
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$")]
HostName = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$")]
_HOST = re.compile(
    r"[A-Za-z0-9_]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?|[0-9A-Fa-f:.%a-z]*:[0-9A-Fa-f:.%a-z]*"
)

_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d(:[0-5]\d)?")


def reachable(host: str) -> str:
    """The same, if it can be a name or address; raises ValueError that says what would be right."""
    if "://" in host or "/" in host:
        raise ValueError(
            f"{host!r} is no name or address; without http:// and path, e.g. 'inverter.lan'"
        )
    if host.count(":") == 1:
        raise ValueError(
            f"{host!r} is no name or address; the port is a key of its own: port = ..."
        )
    if not _HOST.fullmatch(host):
        raise ValueError(f"{host!r} is no name or address, e.g. 'inverter.lan' or '192.168.1.20'")
    if re.fullmatch(r"[\d.]+", host) and not _is_ip(host):
        raise ValueError(f"{host!r} is no address; four numbers from 0 to 255, e.g. '192.168.1.20'")
    return host


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def web_address(url: str, example: str = "https://exchange.example") -> str:
    """The same, if it can be the address of a service; raises ValueError. Secrets stand in files of their own."""
    if not re.match(r"https?://[^/\s]", url) or not _has_port(url):
        raise ValueError(f"{url!r} is no address, e.g. {example!r}")
    if "@" in urlsplit(url).netloc:
        raise ValueError(
            "an address with a name or password in it; those stand in a file of their own"
        )
    return url


def _has_port(url: str) -> bool:
    """Whether the port is one, or none is named."""
    try:
        return urlsplit(url).port != 0
    except ValueError:
        return False


def _clock_time(value: Any) -> Any:
    """A bare number would else be taken for seconds after midnight."""
    if isinstance(value, time) or (isinstance(value, str) and _TIME.fullmatch(value)):
        return value
    raise ValueError(
        f"{value!r} is no time of day; from 00:00 to 23:59 in quotes, e.g. '07:00' (midnight is '00:00')"
    )


TimeOfDay = Annotated[time, BeforeValidator(_clock_time)]  # local
Address = Annotated[str, AfterValidator(reachable)]  # of a device or broker: a name, IPv4, IPv6
Url = Annotated[str, AfterValidator(web_address)]
Curve = tuple[tuple[float, float], ...]  # AC W, one-way efficiency
Port = Annotated[int, Field(ge=1, le=65535)]


class Part(BaseModel):
    """A table, or one of an array of tables."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _a_switch_is_no_number(cls, raw: Any) -> Any:
        """``true`` would else be taken for 1."""
        for name, value in raw.items() if isinstance(raw, dict) else ():
            field = cls.model_fields.get(name)
            if isinstance(value, bool) and field is not None:
                kinds = get_args(field.annotation) or (field.annotation,)
                if bool not in kinds and (float in kinds or int in kinds):
                    said = str(value).lower()
                    raise ValueError(f"{name} = {said} is a switch; here stands a number")
        return raw


def at_least(value: float | None, least: float, unit: str, what: str) -> float | None:
    """``value``, unless it is so small that it must have been meant in thousands; raises ValueError."""
    if value is not None and 0 < value < least:
        raise ValueError(
            f"{value:g} {unit} is {what}; if that is in k{unit}, write {value * 1000:g}"
        )
    return value


def in_percent(value: float) -> float:
    """``value``, unless it must have been meant as a share of 1; raises ValueError."""
    if 0 < value < 1:
        raise ValueError(
            f"{value:g} % is next to nothing; if that is a share, write {value * 100:g}"
        )
    return value
