"""May this tree be released? What the owner of the project must have set, and what a release leaves behind it.

    make release-check

Names each thing that is missing and where it is set; ends with 1 then. A contact that nobody reads is worse than none, so
nothing stands in for what is missing, and what looks like a stand-in is refused.
"""

from __future__ import annotations

import base64
import binascii
import re
import sys
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from gateway.dashboard.security_txt import EXPIRES

SIGNERS = Path("docs/allowed_signers")
LONGEST = timedelta(days=366)
_STAND_IN = re.compile(
    r"example|placeholder|changeme|todo|fixme|xxx|your[-_. ]|localhost|\.invalid|\.test\b",
    re.IGNORECASE,
)
_CONTACT = re.compile(r"(https://|mailto:[^@\s]+@)[\w-]+(\.[\w-]+)+(/\S*)?")
_KEY = re.compile(r"(?P<who>\S+) (?:\S+=\"[^\"]*\" )?ssh-ed25519 (?P<key>[A-Za-z0-9+/=]+)(?: .*)?")
_KEY_BYTES = b"\0\0\0\x0bssh-ed25519\0\0\0 "  # and 32 bytes of the key itself


def faults(root: Path, now: datetime, expires: str = EXPIRES) -> Iterator[str]:
    """One sentence for each thing that keeps the tree in ``root`` from being released."""
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    yield from _contact(project.get("urls", {}))
    until = datetime.fromisoformat(expires)
    if not now < until <= now + LONGEST:
        yield (
            f"EXPIRES in gateway/dashboard/security_txt.py is {expires}: it lies ahead, by a year at most"
        )
    yield from _signers(root / SIGNERS)
    waiting = sorted(each.name for each in (root / "changes").glob("+*.md"))
    if waiting:
        yield f"changes/ holds {len(waiting)} lines that are not in CHANGELOG.md yet: run towncrier (docs/releasing.md)"


def _contact(urls: dict[str, str]) -> Iterator[str]:
    named = [where for name, where in urls.items() if name.lower() == "security"]
    if not named:
        yield (
            "pyproject.toml: [project.urls] has no Security: set the address (https:// or mailto:) to which a weakness is told"
        )
    for where in named:
        if not _CONTACT.fullmatch(where) or _STAND_IN.search(where):
            yield f"pyproject.toml: [project.urls] Security is {where!r}: no https:// or mailto: address that somebody reads"


def _signers(path: Path) -> Iterator[str]:
    if not path.exists():
        yield f"{SIGNERS} is missing: one line a release key, as `ssh-keygen -Y verify` reads it: release ssh-ed25519 ..."
        return
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    if not lines:
        yield f"{SIGNERS} names no key"
    for line in lines:
        found = _KEY.fullmatch(line)
        if found is None or found["who"] != "release" or not _is_key(found["key"]):
            yield f"{SIGNERS}: {line[:60]!r} is no line of an Ed25519 key for `release`"


def _is_key(text: str) -> bool:
    try:
        raw = base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        return False
    body = raw.removeprefix(_KEY_BYTES)
    return len(body) == 32 and len(raw) > 32 and len(set(body)) > 8  # not 32 times the same letter


def main() -> int:
    found = list(faults(Path(), datetime.now(UTC)))
    for fault in found:
        print(fault)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
