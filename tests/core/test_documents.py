"""What the documents name is there: links, files, commands of the Makefile."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("changes/*.md")]
FOLDERS = ("gateway/", "simulators/", "tests/", "benchmarks/", "systemd/", "docs/", "changes/")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_and_files_are_there(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    links = {target.split("#")[0] for target in re.findall(r"\]\(([^)\s]+)\)", text)}
    broken = [x for x in links if x and "://" not in x and not (document.parent / x).exists()]
    named = {word for word in re.findall(r"`([\w./*-]+)`", text) if word.startswith(FOLDERS)}
    # Of a changelog only links hold: it tells of the past.
    gone = [x for x in named if not any(ROOT.glob(x))] if document.name != "CHANGELOG.md" else []
    assert (broken, gone) == ([], [])


def test_each_make_command_of_the_documents_is_a_target() -> None:
    rules = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([\w-]+):", rules, re.MULTILINE))
    for document in DOCUMENTS:
        text = document.read_text(encoding="utf-8")
        named = set(re.findall(r"(?:`|^ +)make ([a-z][a-z-]*)", text, re.MULTILINE))
        assert named <= targets, document.name
