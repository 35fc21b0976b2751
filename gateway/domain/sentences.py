"""What is told to people: a code with named values where it arises, and its English made of it here alone. Pure.

The edges (page, MQTT, messages to a phone) say the same in another language by the template of its code
(`gateway.languages`); programs go by the code. A value may be a sentence itself: the reason in an alarm.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from gateway.domain.templates import TEMPLATES

OTHER = "other"
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_NUMBERS = re.compile(r"\d+(?:[.,:]\d+)*")
_NAMES = {"name", "device", "key", "file"}  # values whose digits are part of what is meant
_PLACE = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Sentence:
    """``code`` is a key of `TEMPLATES`: what it is about and, after a dot, which way of saying it.

    ``values`` fill the places of the template by name, in order. ``who`` is the device that it is about, if any.
    """

    code: str
    values: tuple[tuple[str, str | Sentence], ...] = ()
    who: str = ""

    @property
    def about(self) -> str:
        """The code that programs know."""
        return self.code.partition(".")[0]

    @property
    def text(self) -> str:
        """In English."""
        return worded(self, lambda english: english)

    def __str__(self) -> str:
        return self.text

    def __contains__(self, part: str) -> bool:
        """Whether its English says so."""
        return part in self.text

    def within(self) -> Iterator[Sentence]:
        """Itself, and the sentences that are its values."""
        yield self
        for _, value in self.values:
            if isinstance(value, Sentence):
                yield from value.within()


def sentence(code: str, who: str = "", /, **values: str | Sentence) -> Sentence:
    """One with ``values``; a code that has no template is a fault of the program."""
    if code not in TEMPLATES:
        raise ValueError(f"{code!r} is no sentence; add it to TEMPLATES")
    return Sentence(code, tuple(values.items()), who)


def other(text: str) -> Sentence:
    """What others said, or is said in English alone."""
    return sentence(OTHER, text=text)


def reason_of(error: Exception) -> Sentence:
    """What an error says: the sentence that it was raised with, else its text."""
    first = error.args[0] if error.args else ""
    return first if isinstance(first, Sentence) else other(str(error))


def named(who: str, error: Exception) -> Sentence:
    """What an error says, of the device or control ``who``."""
    return replace(reason_of(error), who=who)


def template(said: Sentence) -> str:
    """Its English with places for the values; of a code of another version, which is not known here, all that there is."""
    unknown = ", ".join([said.code, *(f"{{{name}}}" for name, _ in said.values)])
    return TEMPLATES.get(said.code, unknown)


def places(code: str) -> list[str]:
    """The names of the values that its template has, in order."""
    return _PLACE.findall(TEMPLATES[code])


def worded(said: Sentence, translate: Callable[[str], str]) -> str:
    """It in a language: ``translate`` is asked for templates, and for the words among the values."""
    words = {
        name: worded(value, translate) if isinstance(value, Sentence) else translate(value)
        for name, value in said.values
    }
    made = filled(translate(template(said)), words)
    return f"{said.who}: {made}" if said.who else made


def filled(text: str, values: Mapping[str, str]) -> str:
    """``text`` with values in its places; a place without one stays."""
    return _PLACE.sub(lambda place: values.get(place[1], place[0]), text)


def listed(parts: Sequence[str | Sentence]) -> str | Sentence:
    """'a, b and c' of at least one."""
    *most, last = parts
    if not most:
        return last
    first, *rest = most
    for part in rest:
        first = sentence("list.more", first=first, next=part)
    return sentence("list.last", first=first, last=last)


def joined(parts: Sequence[Sentence]) -> Sentence:
    """'a; b; c' of at least one."""
    first, *rest = parts
    for part in rest:
        first = sentence("list.also", first=first, next=part)
    return first


def day_time(moment: datetime) -> Sentence:
    """'Mon 18:15' of a local moment."""
    return sentence(f"day_time.{_DAYS[moment.weekday()]}", time=f"{moment:%H:%M}")


def alike(said: Sentence) -> str:
    """What it has in common with the same one of other numbers: of another device or feed it is another one."""
    values = (
        alike(value)
        if isinstance(value, Sentence)
        else value
        if name in _NAMES
        else _NUMBERS.sub("#", value)
        for name, value in said.values
    )
    return "\0".join((said.code, said.who, *values))
