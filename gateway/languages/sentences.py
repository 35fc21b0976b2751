"""The gateway's own sentences: what they are about, and how another language says them. Pure.

A sentence is made once, in English, where it arises; at the edge where a person or a program meets it, its
template is found again: by it an alarm has a code, and a catalogue the same sentence with the values in it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache, lru_cache

from gateway.languages import catalogue

_PLACE = re.compile(r"\{\w+\}")
_KNOWN = 4096  # sentences; a home says a few hundred

# An alarm's code, for programs, and what it says; where one stands within another the upper row counts.
ALARMS: Mapping[str, tuple[str, ...]] = {
    "limit_not_kept": (
        "the {what} limit of {limit} W is not kept: {more} W more for {seconds} s, whatever is asked of the devices; look at what they do with their limits and at the meter",
    ),
    "off_grid": (
        "the grid is away and the home lives on its own: what is stored is left to the house, no car is charged, nothing is delivered and nothing is offered",
    ),
    "meter_stands_still": (
        "the grid meter has said {power} for minutes while the home changed: it stands still, and nothing is steered by it until it says something else",
    ),
    "import_price_missing": (
        "tariff.import_price: what a kWh from the grid costs is not stated: nothing is planned, bought or sold until gateway.toml says it, e.g. {example}",
    ),
    "tariff_doubted": (
        'the tariff is not followed: {why} (tariff.accept = ["{name}"] takes it as it stands)',
    ),
    "price_doubted": (
        "{price} a kWh cannot be ({usual} is usual): is it per MWh, in cents, or in another currency?",
        "{price} a kWh, {times} times more than before ({then}): has its unit changed?",
        "{price} a kWh, {times} times less than before ({then}): has its unit changed?",
    ),
    "feed_late": (
        "price feed {name} is late",
        "price feed {name} is late: {why}",
        "price feed {name} is late, it has no price for now",
        "price feed {name} is late, it has no price for now: {why}",
        "price feed {name} is late, its prices end {time}",
    ),
    "no_import_price": ("the exchange publishes no import price for now: planned by {source}",),
    "trading_paused": (
        "trading pauses until {time}: too much of what the exchange says is disputed (energy-gateway statement lists it)",
    ),
    "journal_broken": ("{what}; nothing is traded (docs/operations.md tells what to do)",),
    "journal_not_written": ("{what}; nothing is traded until it can be written",),
    "operator_silent": (
        "the grid operator's {direction} limit ({name}): {limit}, the fail-safe value, for {why}",
    ),
    "operator_limit": ("the grid operator's {direction} limit ({name}): {limit}",),
    "programme_limit": ("the programme's {direction} limit ({name}): {limit}",),
    "programme_refused": ("the programme is not followed: {why}",),
    "programme_silent": ("the programme's server is not heard since {time}: {why}",),
    "not_proved": (
        "{name}: the gateway reads it but does not steer {what}: run `energy-gateway verify {device}` once, which lets it prove in some minutes that it obeys; until then it works by itself",
    ),
    "another_controller": (
        "{name}: another controller steers it ({what} while we only watched); nothing is released or steered until it has written nothing for {minutes} minutes; end one of the two",
        "{name}: {control} is set, and not by this gateway (register {register} reads {word}); it is watched for {seconds} s before it is released: if another gateway or controller steers this device, end one of the two",
    ),
}
OTHER = "other"  # an alarm of no row

# Why a command is refused, and what a person is told on a phone.
REFUSALS = (
    "no exchange is configured; add [market] to gateway.toml",
    "the home is in no programme; add [programme] to gateway.toml",
    "the connection allows {limit} W (site.export_limit_w)",
    "no charger answers",
    "no car is plugged in",
    "no device has answered yet; the setting is stored",
    "the guard has not taken it yet; the setting is stored",
    "the battery does not answer; the setting is stored",
    "the battery still moves {power} W",
    "no read-back within {seconds} s; look at the device",
    "too many commands at once; send it again in a minute",
    "it was interrupted and may have been carried out; send it with a new id",
)
NOTICES = (
    "the car cannot be ready by {time}: at most {least} of {wanted} Wh can be charged until then",
    "{day}: sold {energy}, {money}",
    "{day}: bill {bill}, saved {saved}",
    "{day}: sold {energy}, {money}; bill {bill}, saved {saved}",
    "the gateway is version {now} now; it was {before}",
    "{count} messages were sent today; the rest stands on the page",
)


def told(language: str, sentence: str) -> str:
    """The sentence in the language; what no catalogue knows stays as it is."""
    return sentence if language == "en" else _told(language, sentence)


def alarm_code(sentence: str) -> str:
    """What an alarm is about: a key of `ALARMS`, or `OTHER`."""
    found = {code for code, template in _alarms() if template.search(sentence)}
    return next((code for code in ALARMS if code in found), OTHER)


@lru_cache(_KNOWN)
def _told(language: str, sentence: str) -> str:
    known = catalogue(language)
    if sentence in known:
        return known[sentence]
    for like, names, other in _patterns(language):
        if found := like.fullmatch(sentence):
            made = other
            for name, value in zip(names, found.groups(), strict=True):
                made = made.replace(name, _told(language, value), 1)
            return made
    return sentence


@cache
def _patterns(language: str) -> list[tuple[re.Pattern[str], list[str], str]]:
    """The templates with values in them, the longest first: it says most."""
    made = [
        (_pattern(key), _PLACE.findall(key), other)
        for key, other in catalogue(language).items()
        if _PLACE.search(key)
    ]
    return sorted(made, key=lambda row: -len(row[0].pattern))


@cache
def _alarms() -> list[tuple[str, re.Pattern[str]]]:
    return [(code, _pattern(each)) for code, templates in ALARMS.items() for each in templates]


def _pattern(template: str) -> re.Pattern[str]:
    return re.compile("(.+?)".join(map(re.escape, _PLACE.split(template))), re.DOTALL)
