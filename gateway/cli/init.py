"""`energy-gateway init`: asks a newcomer for what a scan cannot find, and writes gateway.toml."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from gateway.setup.finder import Finder
    from gateway.setup.questions import Question
    from gateway.setup.session import Session


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(init)


def init(
    out: Annotated[Path, typer.Option(help="where to write it")] = Path("gateway.toml"),
) -> None:
    """Find the devices, ask for the rest, and write a configuration that `check` accepts.

    It asks what the page of the first start (`energy-gateway run` without a configuration) asks.

    Example: energy-gateway init --out /etc/energy-gateway/gateway.toml
    """
    from gateway.clock import WallClock
    from gateway.errors import ConfigError
    from gateway.setup.finder import Finder
    from gateway.setup.session import Session, writable

    if out.exists():
        raise ConfigError(
            f"{out} exists; change it in the browser (energy-gateway setup --config {out}),"
            " move it away, or name another file with --out"
        )
    writable(out)
    finder = Finder(WallClock())
    session = Session(out, WallClock(), finder)
    hosts = typer.prompt(
        "Addresses of your devices (HOST, HOST:PORT or NETWORK/24, blanks between)"
    )
    asyncio.run(_find(finder, hosts.split()))
    for problem in finder.problems:
        typer.echo(f"  {problem}", err=True)
    for one in finder.wanted:
        c = one.chosen
        typer.echo(
            f"  found: {c.profile} at {c.host}:{c.port} ({c.name}{', ' + c.says if c.says else ''})"
        )
    for one in finder.found.values():
        if not one.wanted:
            typer.echo(
                f"  left out: {one.chosen.profile} at {one.chosen.host} ({one.chosen.says}); if a boiler hangs on it, name its address"
            )
    if not finder.wanted:
        raise ConfigError("no device was found; are they switched on, and is Modbus TCP enabled?")
    answers = _answers(session)
    asyncio.run(session.write(answers))
    typer.echo(f"wrote {out}; now run: energy-gateway check --config {out}")
    typer.echo(f"and, before it may steer a device: energy-gateway verify --config {out}")


async def _find(finder: Finder, targets: list[str]) -> None:
    """Search, and read what was found once: a battery's size and which meter counts at the connection."""
    try:
        await finder.search(targets, multicast=False)
        await finder.read()
    finally:
        await finder.close()


def _answers(session: Session) -> dict[str, str]:
    """Every question that applies, in order, each until its answer is right."""
    answers: dict[str, str] = {}
    values: dict[str, Any] = {"has": session.has}
    for question in session.asked:
        if not question.applies(values):
            continue
        answers[question.key], values[question.key] = _ask(
            question, _hint(question, session.finder)
        )
    return answers


def _hint(question: Question, finder: Finder) -> str:
    """The device's own figure, where it states one."""
    if question.key == "battery_capacity" and finder.capacity_wh:
        return f"empty: its own figure, {finder.capacity_wh / 1000:.1f} kWh"
    return question.about


def _ask(question: Question, about: str) -> tuple[str, Any]:
    """The answer and its value; an empty answer takes the default."""
    from gateway.setup.questions import value_of

    words = question.text + (f" ({about})" if about else "")
    if question.choices:
        words += " [" + ", ".join(value for value, _ in question.choices) + "]"
    while True:
        answer = typer.prompt(
            words, default=question.default, show_default=bool(question.default),
            hide_input=question.form == "secret",
        ).strip()  # fmt: skip
        try:
            return answer, value_of(question, answer)
        except ValueError as error:
            typer.echo(f"  {error}", err=True)
