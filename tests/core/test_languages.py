"""Every catalogue says all that is said, with the same values in it."""

from __future__ import annotations

import json
import re

import pytest

from gateway.agent import command_handler, notices, why, why_phases
from gateway.dashboard.health import ALARM_ELSE, FAULT_ELSE, FAULTS, TODO
from gateway.domain.command_specs import COMMANDS
from gateway.domain.control import Reason
from gateway.domain.heat import HeatReason
from gateway.domain.metrics import METRICS
from gateway.languages import LANGUAGES, catalogue, translated, wanted
from gateway.languages.sentences import ALARMS, NOTICES, OTHER, REFUSALS, alarm_code, told
from gateway.publishing.discovery import HomeToDiscover, discovery_messages
from gateway.setup.questions import GROUPS, QUESTIONS

OTHERS = [language for language in LANGUAGES if language != "en"]
NAMES = {"energy-charts", "nord-pool", "awattar", "smard"}  # of providers


def said() -> set[str]:
    """What page, set-up and Home Assistant take from tables of ours."""
    settings = [setting for spec in COMMANDS.values() for setting in spec.settings]
    texts = {spec.title for spec in COMMANDS.values()} | {setting.title for setting in settings}
    texts |= {setting.about.replace("null = ", "empty = ") for setting in settings}
    texts |= {metric.title for metric in METRICS.values()} | {
        reason.words for reason in (*Reason, *HeatReason)
    }
    for question in QUESTIONS:
        texts |= {question.text, question.about, *(title for _, title in question.choices)}
    home = HomeToDiscover("energy/home", "home", "1")
    for device in ("inverter", "meter", "charger", "shed"):
        for message in discovery_messages(home, ((device, tuple(METRICS)),)):
            texts |= {part["name"] for part in json.loads(message.payload)["components"].values()}
    texts |= {what for _, what in FAULTS} | set(TODO.values()) | {ALARM_ELSE, FAULT_ELSE}
    texts |= {*REFUSALS, *NOTICES, *(text for alarm in ALARMS.values() for text in alarm)}
    texts |= {kind.value for kind in notices.Kind}
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


def test_each_alarm_has_advice_and_its_own_code() -> None:
    assert TODO.keys() == ALARMS.keys()
    for code, templates in ALARMS.items():
        for template in templates:
            assert alarm_code(re.sub(r"\{\w+\}", "7", template)) == code
    assert alarm_code("something new") == OTHER


def test_of_two_alarms_in_one_sentence_the_more_certain_counts() -> None:
    doubt = (
        "30 EUR a kWh cannot be (0.3 is usual): is it per MWh, in cents, or in another currency?"
    )
    assert alarm_code(f"price feed spot is late: {doubt}") == "price_doubted"
    tariff = f'the tariff is not followed: import_price: {doubt} (tariff.accept = ["x"] takes it as it stands)'
    assert alarm_code(tariff) == "tariff_doubted"


def test_a_sentence_is_said_whole_with_its_values() -> None:
    limit = "the grid operator's import limit (eebus): 4200 W, the fail-safe value, for the operator is not heard any more"
    assert told("de", limit) == (
        "die Grenze des Netzbetreibers, Bezug (eebus): 4200 W, der Rückfallwert, denn der Netzbetreiber ist nicht mehr zu hören"
    )
    assert told("en", limit) == limit
    assert told("es", "no car is plugged in") == "no hay ningún coche enchufado"
    assert told("ko", "of another world") == "of another world"


@pytest.mark.parametrize("language", OTHERS)
def test_what_the_code_says_is_known(language: str) -> None:
    """The sentences as the rooms make them, with values: none stays English."""
    values = dict.fromkeys(("energy", "now", "given", "taken"), "0.123 USD") | {"one": "1.4 kW", "least": "4.1 kW", "most": "7.4 kW", "all": "3"}  # fmt: skip
    made = [f"the battery {each.format(**values)}" for each in why._SENTENCES.values()]
    made += [each.format(**values) for each in why_phases._SENTENCES.values()]
    made += [command_handler._BUSY, command_handler._INTERRUPTED]
    for notice in (
        notices.sale_of("2026-06-01", 4_200, "0.31", {"total": "1.20", "saved": "0.40"}, "EUR"),
        notices.sale_of("2026-06-01", 0, "0", {"total": "1.20", "saved": "not known"}, "EUR"),
        notices.sale_of("2026-06-01", 4_200, "0.31", None, "EUR"),
        notices.update_of("1.0", "1.1"),
    ):
        assert notice is not None
        made.append(notice.text)
    for sentence in made:
        assert told(language, sentence) != sentence, sentence
