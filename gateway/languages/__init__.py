"""The words of page, set-up and Home Assistant in other languages: one JSON catalogue each, English to the other. Pure.

A key is the English text as it stands in the code, with ``{name}`` where a value comes; what no catalogue knows stays
English. A language more is one file, and one line of `LANGUAGES`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Literal, get_args

Language = Literal["en", "de", "ko", "es"]
LANGUAGES: tuple[Language, ...] = get_args(Language)
_FOLDER = Path(__file__).parent


@cache
def catalogue(language: str) -> Mapping[str, str]:
    """English -> the language; empty for English itself."""
    if language not in LANGUAGES or language == "en":
        return {}
    found: dict[str, str] = json.loads((_FOLDER / f"{language}.json").read_text(encoding="utf-8"))
    return found


def translated(language: str, text: str) -> str:
    """The text in the language, itself where it is not known."""
    return catalogue(language).get(text, text)


def wanted(header: str) -> str:
    """The first language of an Accept-Language header that there is; English else."""
    names = (part.partition(";")[0].strip().partition("-")[0].lower() for part in header.split(","))
    return next((name for name in names if name in LANGUAGES), "en")
