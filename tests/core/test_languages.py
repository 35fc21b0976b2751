"""Every catalogue says all that is said, with the same values in it."""

from __future__ import annotations

import ast
import inspect
import json
import re
from dataclasses import replace
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.agent import notices
from gateway.dashboard.access import OTHER_PAGE, UNKNOWN_NAME
from gateway.dashboard.health import ALARM_ELSE, FAULT_ELSE, FAULTS, TODO
from gateway.dashboard.server import FAULTS as LOGIN_FAULTS
from gateway.devices.proof import _OWNERS_WORDS
from gateway.devices.sunspec.bind import STATES_10X, STATES_701
from gateway.domain.command_specs import COMMANDS
from gateway.domain.control import Reason
from gateway.domain.heat import HeatReason
from gateway.domain.metrics import METRICS
from gateway.domain.price import PriceSource
from gateway.domain.sentences import OTHER, Sentence, other, places, sentence
from gateway.domain.templates import ALARM_CODES, TEMPLATES
from gateway.forecasts.variants import VARIANTS
from gateway.languages import LANGUAGES, catalogue, translated, wanted
from gateway.languages.sentences import alarm_code, told
from gateway.modbus.exceptions import EXCEPTIONS
from gateway.publishing.discovery import HomeToDiscover, discovery_messages
from gateway.setup import quantities, questions
from gateway.setup.questions import GROUPS, QUESTIONS
from gateway.store.sentences import packed, unpacked

OTHERS = [language for language in LANGUAGES if language != "en"]
PLACE = re.compile(r"\{\w+\}")
NAMES = {"energy-charts", "nord-pool", "awattar", "smard"}  # of providers


def said() -> set[str]:
    """What page, set-up and Home Assistant take from tables of ours."""
    settings = [setting for spec in COMMANDS.values() for setting in spec.settings]
    texts = {spec.title for spec in COMMANDS.values()} | {setting.title for setting in settings}
    texts |= {setting.about.replace("null = ", "empty = ") for setting in settings}
    texts |= {metric.title for metric in METRICS.values()} | {
        reason.words for reason in (*Reason, *HeatReason)
    }
    texts |= {choice for metric in METRICS.values() for choice in metric.choices}
    texts |= {*STATES_10X.values(), *STATES_701.values(), "auto", "held"} - {"mppt"}
    for question in QUESTIONS:
        texts |= {question.text, question.about, *(title for _, title in question.choices)}
    home = HomeToDiscover("energy/home", "home", "1")
    for device in ("inverter", "meter", "charger", "shed"):
        for message in discovery_messages(home, ((device, tuple(METRICS)),)):
            texts |= {part["name"] for part in json.loads(message.payload)["components"].values()}
    texts |= set(FAULTS.values()) | set(TODO.values()) | {ALARM_ELSE, FAULT_ELSE}
    texts |= {text for text in TEMPLATES.values() if re.search(r"[a-z]{2}", PLACE.sub("", text))}
    texts |= {kind.value for kind in notices.Kind} | {variant.words for variant in VARIANTS[1:]}
    texts |= (
        {source.value for source in PriceSource}
        | set(_OWNERS_WORDS.values())
        | set(EXCEPTIONS.values())
    )
    texts |= {"import", "export", "fuse", "not verified", "not known", "held on over a restart"}
    texts |= {"nothing was heard of the operator yet", "the operator is not heard any more"}
    texts |= {UNKNOWN_NAME, OTHER_PAGE, *LOGIN_FAULTS.values()}
    return (texts | set(GROUPS.values())) - NAMES - {""}


@pytest.mark.parametrize("language", OTHERS)
def test_nothing_of_ours_is_missing(language: str) -> None:
    assert said() - catalogue(language).keys() == set()
    assert catalogue(language).keys() == catalogue("de").keys()
    assert all(catalogue(language).values())


@pytest.mark.parametrize("language", OTHERS)
def test_each_value_stands_in_the_translation_once(language: str) -> None:
    for english, theirs in catalogue(language).items():
        assert sorted(re.findall(r"\{\w+\}", english)) == sorted(re.findall(r"\{\w+\}", theirs)), (
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


def test_each_alarm_has_advice() -> None:
    assert TODO.keys() == set(ALARM_CODES)
    assert {code.partition(".")[0] for code in TEMPLATES} > set(ALARM_CODES)


def test_of_two_alarms_in_one_sentence_the_more_certain_counts() -> None:
    doubt = sentence("price_doubted", price="30 EUR", usual="0.3")
    late = sentence(
        "feed_late.now_why", name="spot", why=sentence("price_doubted.accept", why=doubt)
    )
    assert alarm_code(late) == "price_doubted"
    assert (
        alarm_code(sentence("tariff_doubted", why=doubt, name="import_price")) == "tariff_doubted"
    )
    assert alarm_code(other("something new")) == OTHER


def test_a_sentence_is_said_whole_with_its_values() -> None:
    limit = sentence(
        "operator_silent",
        direction="import",
        name="eebus",
        limit="4200 W",
        why="the operator is not heard any more",
    )
    assert told("de", limit) == (
        "die Grenze des Netzbetreibers, Bezug (eebus): 4200 W, der Rückfallwert, denn der Netzbetreiber ist nicht mehr zu hören"
    )
    assert told("en", limit) == limit.text == str(limit)
    assert told("es", sentence("refused.no_car")) == "no hay ningún coche enchufado"
    assert told("ko", other("of another world")) == "of another world"
    assert told("de", replace(sentence("refused.no_car"), who="garage")).startswith("garage: ")


def test_a_code_of_another_version_says_all_that_there_is() -> None:
    assert Sentence("moon", (("phase", "full"),)).text == "moon, full"
    with pytest.raises(ValueError, match="'moon' is no sentence"):
        sentence("moon")


values = st.text(st.characters(codec="utf-8", exclude_characters="{}"), max_size=9)
sentences = st.recursive(
    st.builds(lambda code, text: Sentence(code, tuple((n, text) for n in places(code))), st.sampled_from(sorted(TEMPLATES)), values),
    lambda inner: st.builds(lambda code, said: Sentence(code, tuple((n, said) for n in places(code)), "box"), st.sampled_from(sorted(TEMPLATES)), inner),
    max_leaves=3,
)  # fmt: skip


@given(sentences)
def test_a_sentence_is_the_same_after_a_file_and_every_language_says_its_values(
    said: Sentence,
) -> None:
    assert unpacked(packed(said)) == said
    for language in LANGUAGES:
        assert not re.search(r"\{\w+\}", told(language, said))
    assert unpacked("the battery rests") == other("the battery rests")


def refusals(module: ModuleType) -> set[str]:
    """What the module says of an answer that cannot be, as templates: the texts of its ValueErrors."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        if not (isinstance(node, ast.Call) and getattr(node.func, "id", "") == "ValueError"):
            continue
        (said,) = node.args
        if isinstance(said, ast.Constant):
            found.add(str(said.value))
        elif isinstance(said, ast.JoinedStr):
            parts = (part.value if isinstance(part, ast.Constant) else "{}" for part in said.values)
            found.add("".join(map(str, parts)))
    return found


@pytest.mark.parametrize("language", OTHERS)
@pytest.mark.parametrize("module", [quantities, questions])
def test_what_the_set_up_refuses_is_said_in_each_language(
    language: str, module: ModuleType
) -> None:
    known = {PLACE.sub("{}", english) for english in catalogue(language)}
    assert refusals(module)
    assert refusals(module) - known == set()
