"""The matrix of hostile acts for docs/security.md, made from the acts themselves.

`python -m tests.hostile.matrix` writes it into the page; a test sees that it is there.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.hostile import test_broker, test_clock, test_device, test_files, test_page
from tests.hostile.acts import ACTS
from tests.hostile.devices import IMAGES

PAGE = Path(__file__).parents[2] / "docs" / "security.md"
BEGIN, END = "<!-- matrix: made by python -m tests.hostile.matrix -->", "<!-- end of the matrix -->"


@dataclass(frozen=True)
class Kind:
    """Acts of one neighbour: what is asserted of each of them, and in which file."""

    who: str
    acts: tuple[str, ...]
    holds: str
    where: str


def _words(acts: Iterable[object], more: str = "") -> tuple[str, ...]:
    return tuple(getattr(a, "__name__", str(a)).replace("_", " ") + more for a in acts)


KINDS = (
    Kind(
        "exchange",
        tuple(a.name for a in ACTS),
        "every fill and settlement in the account is the honest one, to the tick; lies are disputes; it trades again "
        "within the backoff of 60 s and, after lies, the pause of an hour; at most 5 lines",
        "test_exchange.py",
    ),
    Kind(
        "broker and its guests",
        _words(test_broker.WHILE_WE_RUN) + _words(test_broker.BEFORE_WE_START, " (before the start)"),
        "the newest value is heard, a protecting command is carried out and answered; at most 12 MB and 5 lines",
        "test_broker.py",
    ),
    Kind(
        "guest of the page",
        _words(test_page.ACTS),
        "others log in, see the right power and command; no server error, no file, no data without a login; at most "
        "16 MB and 5 lines; every connection is closed by itself",
        "test_page.py",
    ),
    Kind(
        "device, on the wire",
        tuple(test_device.WIRE),
        "a reading is right or none; the device beside it is read as ever; back at the next try; at most 8 MB and 5 lines",
        "test_device.py",
    ),
    Kind(
        "device, in its registers",
        tuple(IMAGES),
        "what is read is finite and possible, or none; back at the next try; at most 5 printable lines",
        "test_device.py",
    ),
    Kind(
        "clock",
        tuple(a.name for a in test_clock.SETS),
        "no energy is made up or lost, account and exchange agree, trade goes on when the clock is right",
        "test_clock.py",
    ),
    Kind(
        "file",
        (
            *test_files.CONFIGURATIONS,
            *(f"state files: {what}" for what in test_files.NOISE),
            *(f"a link in the place of {what}" for what in test_files.LINKED),
        ),
        "one clear error or a start without it, never a stop of the guard; nothing is written elsewhere; at most 5 lines",
        "test_files.py",
    ),
)  # fmt: skip


def table() -> str:
    """The matrix as Markdown."""
    lines = [
        f"{sum(len(kind.acts) for kind in KINDS)} acts; each is a test of its own in `tests/hostile/`.",
        "",
        "| neighbour | acts | what is asserted of each | file |",
        "|---|---|---|---|",
    ]
    for kind in KINDS:
        acts = "; ".join(act.replace("|", "\\|") for act in kind.acts)
        lines.append(f"| {kind.who} ({len(kind.acts)}) | {acts} | {kind.holds} | `{kind.where}` |")
    return "\n".join(lines) + "\n"


def main() -> None:
    text = PAGE.read_text()
    before, _, rest = text.partition(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}\n{table()}{END}{rest.partition(END)[2]}")


if __name__ == "__main__":
    main()
