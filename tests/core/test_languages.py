"""Every catalogue says all that is said, with the same values in it."""

from __future__ import annotations

import json
import re

import pytest

from gateway.dashboard.health import ALARM_ELSE, ALARMS, FAULT_ELSE, FAULTS
from gateway.domain.command_specs import COMMANDS
from gateway.domain.control import Reason
from gateway.domain.metrics import METRICS
from gateway.languages import LANGUAGES, catalogue, translated, wanted
from gateway.publishing.discovery import HomeToDiscover, discovery_messages
from gateway.setup.questions import GROUPS, QUESTIONS

OTHERS = [language for language in LANGUAGES if language != "en"]
NAMES = {"energy-charts", "nord-pool", "awattar", "smard"}  # of providers


def said() -> set[str]:
    """What page, set-up and Home Assistant take from tables of ours."""
    settings = [setting for spec in COMMANDS.values() for setting in spec.settings]
    texts = {spec.title for spec in COMMANDS.values()} | {setting.title for setting in settings}
    texts |= {setting.about.replace("null = ", "empty = ") for setting in settings}
    texts |= {metric.title for metric in METRICS.values()} | {reason.words for reason in Reason}
    for question in QUESTIONS:
        texts |= {question.text, question.about, *(title for _, title in question.choices)}
    home = HomeToDiscover("energy/home", "home", "1")
    for device in ("inverter", "meter", "charger", "shed"):
        for message in discovery_messages(home, ((device, tuple(METRICS)),)):
            texts |= {part["name"] for part in json.loads(message.payload)["components"].values()}
    texts |= {what for _, what in (*ALARMS, *FAULTS)} | {ALARM_ELSE, FAULT_ELSE}
    return (texts | set(GROUPS.values())) - NAMES - {""}


@pytest.mark.parametrize("language", OTHERS)
def test_nothing_of_ours_is_missing(language: str) -> None:
    assert said() - catalogue(language).keys() == set()
    assert catalogue(language).keys() == catalogue("de").keys()
    assert all(catalogue(language).values())


@pytest.mark.parametrize("language", OTHERS)
def test_each_value_stands_in_the_translation_once(language: str) -> None:
    for english, other in catalogue(language).items():
        assert sorted(re.findall(r"\{\w+\}", english)) == sorted(re.findall(r"\{\w+\}", other)), (
            english
        )


def test_what_is_not_known_stays_english() -> None:
    assert translated("de", "Battery") == "Batterie"
    assert translated("de", "my garage") == translated("en", "my garage") == "my garage"
    assert translated("tlh", "Battery") == "Battery"


def test_a_browser_s_wish() -> None:
    assert wanted("fr-CH, ko-KR;q=0.9, en;q=0.8") == "ko"
    assert wanted("") == wanted("xx, ;;") == "en"


def test_home_assistant_names_things_in_the_configured_language() -> None:
    home = HomeToDiscover("energy/home", "home", "1", language="es")
    messages = discovery_messages(home, (("inverter", ("battery_soc_pct", "pv_power_w")),))
    parts = [part for m in messages for part in json.loads(m.payload)["components"].values()]
    assert {"Reserva de respaldo", "Estado de carga", "Potencia FV", "Alarma"} <= {
        part["name"] for part in parts
    }
    assert all(part["default_entity_id"].isascii() for part in parts), (
        "what automations name stays as it is"
    )
