"""What a new home is asked, in order: one list for `energy-gateway init` and for the page. Pure.

An answer is a text as a person writes it; `read` gives the values of all that are asked, and why the others are
wrong. What is asked may depend on what was answered, and on what was found (a car is asked for where a charger is).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import time
from typing import Any, Literal
from zoneinfo import ZoneInfo

from gateway.config.home_settings import (
    LEAST_BATTERY_W,
    LEAST_BATTERY_WH,
    LEAST_CAR_WH,
    LEAST_LIMIT_W,
)
from gateway.config.parts import at_least, in_percent, reachable
from gateway.setup import quantities as q

Answers = Mapping[str, str]
Values = Mapping[str, Any]
Form = Literal["text", "choice", "secret", "lines"]
ZONED = (
    "energy-charts",
    "nord-pool",
    "awattar",
    "smard",
)  # published prices that need a zone alone
SHORTEST_PASSWORD = 8
MOST_PANELS_W = 200_000.0  # as `household.panels_w` takes them
_LITTLE = "next to nothing"


@dataclass(frozen=True, slots=True)
class Question:
    """One question. ``read`` raises ValueError that says what would be right; an empty answer that is allowed is None.

    ``applies`` gets the values read so far; what does not apply is not asked.
    """

    key: str
    group: str
    text: str
    read: Callable[[str], Any]
    default: str = ""
    about: str = ""
    form: Form = "text"
    choices: tuple[tuple[str, str], ...] = ()
    required: bool = False
    applies: Callable[[Values], bool] = lambda _values: True


def _one_of(*names: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in names:
            raise ValueError(f"one of {', '.join(names)}")
        return text

    return read


def _password(text: str) -> str:
    if len(text) < SHORTEST_PASSWORD:
        raise ValueError(f"the password needs at least {SHORTEST_PASSWORD} characters")
    return text


def _name(text: str) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,31}", text):
        raise ValueError("small letters, digits, - and _ only, e.g. home")
    return text


def _port(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 65535:
        raise ValueError("a port is 1 to 65535; 1883 is usual, 8883 with TLS")
    return int(text)


def at_most(value: float, most: float, unit: str) -> float:
    """The same; raises ValueError above ``most``."""
    if value > most:
        raise ValueError(f"not above {most:g} {unit}")
    return value


def _panels(values: Values) -> bool:
    return "panels" in values["has"]


def _battery(values: Values) -> bool:
    return "battery" in values["has"]


def _sized(values: Values) -> bool:
    return values.get("battery_capacity") is not None


def _car(values: Values) -> bool:
    return "charger" in values["has"]


def _heater(values: Values) -> bool:
    return "heater" in values["has"]


def _plug(values: Values) -> bool:
    return "plug" in values["has"]


def _heats(values: Values) -> bool:
    return _heater(values) or _plug(values)


def _times(text: str) -> tuple[time, ...]:
    return tuple(q.clock_time(each) for each in text.replace(",", " ").split())


def _tariff(*kinds: str) -> Callable[[Values], bool]:
    return lambda values: values.get("tariff") in kinds


QUESTIONS: tuple[Question, ...] = (
    Question("name", "home", "Name of the home", _name, "home", "part of every MQTT topic", required=True),
    Question("time_zone", "home", "Time zone of the home", q.time_zone, "UTC", "e.g. Europe/Berlin", required=True),
    Question("place", "home", "Latitude and longitude, e.g. 30.27 -97.74", q.place,
             about="empty: the night is learnt from the panels, and forecasts do without the sun; asked of no map"),
    Question("panels", "home", "Peak power of your panels, e.g. 9.8 kW", lambda text: at_most(q.above_0(q.power_w(text)), MOST_PANELS_W, "W"),
             about="the first days' guess of the sun; empty: 5 kW, until it was measured", applies=_panels),
    Question("fuse", "grid", "Main fuse, e.g. 3x35 A", q.fuse, about="the gateway never draws more; empty: not limited"),
    Question("export_limit", "grid", "Most power you may feed into the grid", lambda text: at_least(q.power_w(text), LEAST_LIMIT_W, "W", "next to nothing"), about="e.g. 5 kW, 0 for none; empty: no limit"),
    Question("reserve", "battery", "State of charge to keep for outages, %", lambda text: in_percent(q.percent(text)), "20", required=True, applies=_battery),
    Question("battery_capacity", "battery", "Usable capacity of your battery, e.g. 13.5 kWh", lambda text: at_least(q.energy_wh(text), LEAST_BATTERY_WH, "Wh", _LITTLE) or None,
             about="empty: the inverter says it", applies=_battery),
    Question("battery_power", "battery", "Power with which it charges and discharges", lambda text: at_least(q.above_0(q.power_w(text)), LEAST_BATTERY_W, "W", _LITTLE),
             "5 kW", required=True, applies=lambda values: _battery(values) and _sized(values)),
    Question("car_energy", "car", "Energy the car wants each time it leaves", lambda text: at_least(q.energy_wh(text), LEAST_CAR_WH, "Wh", _LITTLE), "10 kWh", required=True, applies=_car),
    Question("car_departure", "car", "When it leaves", q.clock_time, "07:00", "local time", required=True, applies=_car),
    Question("car_days", "car", "On which days", q.days, "daily", "daily, mon-fri, or mon,wed,sat", required=True, applies=_car),
    Question("car_current", "car", "Most current of charger and cable, A", q.car_amperes, "16", required=True, applies=_car),
    Question("car_phases", "car", "Phases that the charger uses", lambda text: int(_one_of("1", "3")(text)), "3",
             form="choice", choices=(("3", "three"), ("1", "one")), required=True, applies=_car),
    Question("heat_power", "heat", "Power of the heating rod or heat pump, e.g. 3.5 kW", lambda text: q.above_0(q.power_w(text)), about="electric", required=True, applies=_heats),
    Question("heat_litres", "heat", "Litres of water in its tank", lambda text: q.above_0(q.number(text)), required=True, applies=_heater),
    Question("heat_energy", "heat", "Energy that the water behind the plug wants", lambda text: q.above_0(q.energy_wh(text)), "4 kWh", "by each of the times; its own thermostat holds always", required=True, applies=_plug),
    Question("heat_ready", "heat", "When the water is to be warm", _times, "06:30 18:00", "local times; to 55 °C, other temperatures: docs/heat.md", required=True, applies=_heats),
    Question("currency", "tariff", "Currency of your bill", q.currency, "USD", required=True),
    Question("tariff", "tariff", "How a kWh from the grid is priced", _one_of("flat", "time_of_use", "published"), "flat", form="choice",
             choices=(("flat", "one price"), ("time_of_use", "by time of day"), ("published", "published a day ahead")), required=True),
    Question("import_price", "tariff", "What a kWh from the grid costs", q.price, about="0.29 or 29 ct, tax included",
             required=True, applies=_tariff("flat", "time_of_use")),
    Question("windows", "tariff", "Hours with another price", q.windows, about="e.g. 22:00-06:00 0.12; 17:00-20:00 0.41 mon-fri",
             form="lines", required=True, applies=_tariff("time_of_use")),
    Question("provider", "tariff", "Who publishes the price", _one_of(*ZONED), "energy-charts", form="choice",
             choices=tuple((name, name) for name in ZONED), about="others: docs/tariffs.md", required=True, applies=_tariff("published")),
    Question("zone", "tariff", "Bidding zone, e.g. DE-LU, NL, SE3", str.strip, required=True, applies=_tariff("published")),
    Question("adder", "tariff", "What comes on top of it per kWh, tax excluded", q.price, "0", "grid fee, levies, the retailer's share",
             required=True, applies=_tariff("published")),
    Question("tax", "tariff", "Tax on all of it, %", q.percent, "0", required=True, applies=_tariff("published")),
    Question("export_price", "tariff", "What a kWh that you feed in earns", q.price, "0", "0: nothing", required=True),
    Question("broker", "broker", "Address of your MQTT broker", reachable, "127.0.0.1", "Home Assistant and others hear of the home by it", required=True),
    Question("broker_port", "broker", "Its port", _port, "1883", required=True),
    Question("broker_user", "broker", "Your name there", str.strip, about="empty: it asks for none"),
    Question("broker_password", "broker", "Your password there", str, form="secret",
             applies=lambda values: bool(values.get("broker_user"))),
    Question("exchange", "trade", "Address of the energy exchange", q.url, about="empty: no trading"),
    Question("password", "page", "Password of this page for your other devices", _password, form="secret",
             about="empty: it is reached from this machine only"),
)  # fmt: skip
GROUPS: Mapping[str, str] = {
    "home": "The home",
    "grid": "Connection to the grid",
    "battery": "Battery",
    "car": "Car",
    "heat": "Hot water",
    "tariff": "Tariff",
    "broker": "MQTT broker",
    "trade": "Trade",
    "page": "This page",
}
EVERYTHING = frozenset({"battery", "charger", "panels"})


@dataclass(frozen=True, slots=True)
class Read:
    """``values`` by key of all questions that apply; ``faults`` why an answer is none; ``asked`` those that apply."""

    values: Mapping[str, Any]
    faults: Mapping[str, str]
    asked: tuple[Question, ...]


def questions(zone: str = "UTC", known: Answers | None = None) -> tuple[Question, ...]:
    """All, with defaults for a machine in ``zone``, or as ``known`` from a file that is changed."""
    here = {"time_zone": zone, "currency": currency_of(zone)} | dict(known or {})
    return tuple(replace(each, default=here.get(each.key, each.default)) for each in QUESTIONS)


def read(answers: Answers, asked: tuple[Question, ...], has: Collection[str] = EVERYTHING) -> Read:
    """All answers; a question without one takes its default. ``has`` are the parts of the home that were found."""
    values: dict[str, Any] = {"has": frozenset(has)}
    faults: dict[str, str] = {}
    applying = []
    for question in asked:
        if not question.applies(values):
            continue
        applying.append(question)
        try:
            values[question.key] = value_of(question, answers.get(question.key, question.default))
        except ValueError as error:
            faults[question.key] = str(error)
    return Read(values, faults, tuple(applying))


def value_of(question: Question, answer: str) -> Any:
    """The value of one answer; None for an empty one that is allowed. Raises ValueError."""
    text = answer.strip()
    if text:
        return question.read(text)
    if question.required:
        raise ValueError("is asked for")
    return None


def currency_of(zone: str) -> str:
    """What is paid with there, as a guess."""
    by_start = {
        "Europe/London": "GBP", "Europe/Zurich": "CHF", "Europe/Stockholm": "SEK", "Europe/Oslo": "NOK", "Europe/Copenhagen": "DKK",
        "Europe/Warsaw": "PLN", "Europe/Prague": "CZK", "Europe/": "EUR", "Australia/": "AUD", "Pacific/Auckland": "NZD",
        "America/Toronto": "CAD", "America/Vancouver": "CAD", "Asia/Seoul": "KRW", "Asia/Tokyo": "JPY",
    }  # fmt: skip
    return next((code for start, code in by_start.items() if zone.startswith(start)), "USD")


def local_zone(file: str = "/etc/timezone") -> str:
    """What the machine is set to, as Debian keeps it."""
    try:
        with open(file, encoding="utf-8") as text:
            name = text.read().strip()
            ZoneInfo(name)
    except (OSError, KeyError, ValueError):
        return "UTC"
    return name
