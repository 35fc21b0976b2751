"""A configuration and what is said of it, fit to be shown to strangers. Pure.

What tells who and where a home is becomes a word of its kind with a number: equal things stay equal. Coordinates become whole
degrees, which still tell when the sun shines. No file that a key names is read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

# Keys whose text tells who or where somebody is, and the word for it.
_TELLS = {
    "host": "host", "username": "user", "party_id": "party", "site_id": "site", "soc_topic": "topic",
    "tariff": "tariff", "security_contact": "contact", "serial": "serial", "root": "root", "zone": "zone",
}  # fmt: skip
_FILES = re.compile(r"_file$|^state_dir$")
_IP = re.compile(r"\b(?!127\.)\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}\b")
_MAC = re.compile(r"\b(?:[0-9a-fA-F]{2}[:-]){5}[0-9a-fA-F]{2}\b")
_MAIL = re.compile(r"\b[\w.+-]+@[\w-]+\.[\w.-]+\b")
_LONG = re.compile(r"\b(?=\w*\d)[A-Z0-9]{8,}\b")  # a serial number, as devices write them
_HOME = re.compile(r"/(?:home|Users)/[^/\s\"']+")
_USUAL = {"localhost", "home", "energy", "homeassistant"}
_LOOPBACK = "127."
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')  # of a JSON document


class Mask:
    """Knows what is to be masked of the ``raw`` tables of a gateway.toml. ``tables`` are those without comments."""

    def __init__(self, raw: Mapping[str, Any]) -> None:
        self.tables = _rounded(raw)
        self._words: dict[str, str] = {}
        self._counts: dict[str, int] = {}
        for kind, text in _told(raw):
            self._word(kind, text)

    def document(self, text: str) -> str:
        """A JSON document with its texts masked. Its numbers stay: a counter of ten megawatt-hours has the look of a serial number."""
        return _STRING.sub(lambda found: self.text(found[0]), text)

    def text(self, text: str) -> str:
        """The same with a word for each that is known, and for what looks like an address or a serial number."""
        for secret in sorted(self._words, key=len, reverse=True):
            text = re.sub(rf"(?<![\w.-]){re.escape(secret)}(?![\w-])", self._words[secret], text)
        for kind, pattern in (("mail", _MAIL), ("mac", _MAC), ("host", _IP), ("serial", _LONG)):
            text = pattern.sub(lambda found, kind=kind: self._word(kind, found[0]), text)  # type: ignore[misc]
        return _HOME.sub("/home/somebody", text)

    def _word(self, kind: str, secret: str) -> str:
        if secret not in self._words:
            self._counts[kind] = self._counts.get(kind, 0) + 1
            self._words[secret] = f"{kind}-{self._counts[kind]}"
        return self._words[secret]


def _told(tables: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What stands there and tells something: kind and text."""
    for key, value in tables.items():
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, Mapping):
                yield from _told(one)
                if key == "site" and str(one.get("name", "home")) not in _USUAL:
                    yield "site", str(one["name"])
            elif isinstance(one, str) and one:
                yield from _of(key, one)


def _of(key: str, text: str) -> Iterator[tuple[str, str]]:
    if key in _TELLS and text not in _USUAL and not text.startswith(_LOOPBACK):
        yield _TELLS[key], text
    elif key == "names":
        yield "host", text
    elif _FILES.search(key):
        yield "file", text
    elif key == "url" and (host := urlsplit(text).netloc) and not host.startswith(_LOOPBACK):
        yield "host", host


def _rounded(value: Any, key: str = "") -> Any:
    if isinstance(value, Mapping):
        return {k: _rounded(v, k) for k, v in value.items()}
    if isinstance(value, list):
        return [_rounded(v, key) for v in value]
    if key in ("latitude", "longitude") and isinstance(value, int | float):
        return round(value)
    return value
