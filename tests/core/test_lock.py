"""requirements.lock: what the gateway runs on, at the tested versions, each file by its hash, from no named place."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import requires, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

ROOT = Path(__file__).parents[2]
LOCK = (ROOT / "requirements.lock").read_text()
PINNED = {
    canonicalize_name(name): (pin, hashes.split())
    for name, pin, hashes in re.findall(
        r"^([A-Za-z0-9._-]+)==([^\s\\;]+)[^\n]*\\\n((?:\s+--hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)",
        LOCK + "\n",
        re.MULTILINE,
    )
}


def needed() -> set[NormalizedName]:
    """What pyproject.toml asks for, and what that needs, as it is installed here."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    found: set[NormalizedName] = set()
    due = [Requirement(line) for line in project["dependencies"]]
    while due:
        wanted = due.pop()
        name = canonicalize_name(wanted.name)
        if name in found:
            continue
        found.add(name)
        more = [Requirement(line) for line in requires(name) or ()]
        extras = [{"extra": e} for e in wanted.extras] or [{"extra": ""}]
        due += [m for m in more if not m.marker or any(m.marker.evaluate(e) for e in extras)]
    return found


def test_every_line_is_a_version_with_hashes() -> None:
    lines = [li for li in LOCK.splitlines() if li and not li.startswith(("#", " "))]
    assert len(lines) == len(PINNED) > 20
    assert all(len(hashes) >= 1 for _, hashes in PINNED.values())


def test_it_names_no_place() -> None:
    body = "\n".join(li for li in LOCK.splitlines() if not li.startswith("#"))
    assert "://" not in body
    assert "index" not in body
    assert "--find-links" not in body


def test_it_is_what_the_gateway_needs() -> None:
    assert needed() <= PINNED.keys()


@pytest.mark.parametrize("name", sorted(needed()))
def test_it_matches_the_tested_versions(name: NormalizedName) -> None:
    pins = dict(
        line.split("==")
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if "==" in line and not line.startswith("#")
    )
    known = {canonicalize_name(k): v.split(";")[0].strip() for k, v in pins.items()}
    assert PINNED[name][0] == known[name] == version(name)
