"""The gateway's own sentences in another language: by the template of their code. Pure."""

from __future__ import annotations

from gateway.domain.sentences import OTHER, Sentence, worded
from gateway.domain.templates import ALARM_CODES
from gateway.languages import catalogue


def told(language: str, said: Sentence) -> str:
    """The sentence in the language; of what no catalogue knows, that part stays English."""
    known = catalogue(language)
    return worded(said, lambda english: known.get(english, english))


def alarm_code(alarm: Sentence) -> str:
    """What an alarm is about, for programs: one of `ALARM_CODES`, or `OTHER`."""
    parts = {part.about for part in alarm.within()}
    return next((code for code in ALARM_CODES if code in parts), OTHER)
