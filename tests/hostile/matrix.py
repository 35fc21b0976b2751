"""The matrix of hostile acts for docs/security.md, made from the acts themselves.

`python -m tests.hostile.matrix` writes it into the page; a test sees that it is there.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.hostile import (
    five,
    test_broker,
    test_broker_rights,
    test_clock,
    test_device,
    test_disk,
    test_files,
)
from tests.hostile.acts import ACTS
from tests.hostile.broker_words import WORDS
from tests.hostile.devices import FLIPS, IMAGES
from tests.hostile.five import Neighbour, Property
from tests.hostile.page_acts import ACTS as PAGE_ACTS

PAGE = Path(__file__).parents[2] / "docs" / "security.md"
BEGIN, END = "<!-- matrix: made by python -m tests.hostile.matrix -->", "<!-- end of the matrix -->"


@dataclass(frozen=True)
class Kind:
    """The acts of one neighbour."""

    neighbour: Neighbour
    acts: tuple[str, ...]


def _words(acts: Iterable[object], more: str = "") -> tuple[str, ...]:
    return tuple(getattr(a, "__name__", str(a)).replace("_", " ") + more for a in acts)


KINDS = (
    Kind(five.EXCHANGE, tuple(a.name for a in ACTS)),
    Kind(
        five.BROKER,
        _words(test_broker.WHILE_WE_RUN) + _words(test_broker.BEFORE_WE_START, " (before the start)"),
    ),
    Kind(five.FALSE_BROKER, tuple(word.name for word in WORDS)),
    Kind(five.RIGHTS, tuple(test_broker_rights.RULES)),
    Kind(five.PAGE, _words(PAGE_ACTS)),
    Kind(five.WIRE, tuple(test_device.WIRE)),
    Kind(five.REGISTERS, tuple(IMAGES)),
    Kind(five.FLIPPING, tuple(FLIPS)),
    Kind(five.CLOCK, tuple(a.name for a in test_clock.SETS)),
    Kind(five.CONFIGURATION, tuple(test_files.CONFIGURATIONS)),
    Kind(five.STATE, tuple(test_files.NOISE)),
    Kind(five.DISK, (*(f"{kind.name}: {act}" for act, kind in test_disk.ACTS), "a backup: a full disk")),
    Kind(five.LINK, tuple(test_files.LINKED)),
)  # fmt: skip


def table() -> str:
    """The matrix as Markdown: the acts, and how each of the five properties is measured or why not."""
    count = sum(len(kind.acts) for kind in KINDS)
    head = (
        f"{count} acts; each is a test of its own in `tests/hostile/`, and all go through one check of five"
        " properties (`five.py`). What a neighbour's stage cannot show stands in brackets, with the reason."
    )
    lines = [
        head,
        "",
        "| neighbour | acts | file |",
        "|---|---|---|",
    ]
    for kind in KINDS:
        acts = "; ".join(act.replace("|", "\\|") for act in kind.acts)
        who = kind.neighbour
        lines.append(f"| {who.who} ({len(kind.acts)}) | {acts} | `{who.where}` |")
    lines += ["", "| neighbour | " + " | ".join(Property) + " |", "|---" * 6 + "|"]
    for kind in KINDS:
        cells = (_cell(kind.neighbour, one) for one in Property)
        lines.append(f"| {kind.neighbour.who} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _cell(who: Neighbour, one: Property) -> str:
    return who.how[one] if one in who.how else f"({who.not_seen[one]})"


def main() -> None:
    text = PAGE.read_text()
    before, _, rest = text.partition(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}\n{table()}{END}{rest.partition(END)[2]}")


if __name__ == "__main__":
    main()
