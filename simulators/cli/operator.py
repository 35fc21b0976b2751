"""``energy-sim operator``: the operator's hand on a running exchange."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

State = Annotated[Path, typer.Option(help="folder of the running exchange")]
_STATE = Path("exchange-state")


def register(app: typer.Typer) -> None:
    about = "Halt a running exchange, let a party in or shut it out, limit exports: to see what a gateway does."
    group = typer.Typer(help=about, no_args_is_help=True)
    for command in (status, halt, resume, register_party, revoke, rotate_key, export_limit):
        group.command(command.__name__.removesuffix("_party").replace("_", "-"))(command)
    app.add_typer(group, name="operator")


def status(state: State = _STATE) -> None:
    """What the market does now, and who is registered.

    Example: energy-sim operator status --state exchange-state
    """
    _ask(state, "status")


def halt(state: State = _STATE) -> None:
    """Take no tenders and hold no calls; gates close in their time.

    Example: energy-sim operator halt
    """
    _ask(state, "halt")


def resume(state: State = _STATE) -> None:
    """End a halt.

    Example: energy-sim operator resume
    """
    _ask(state, "resume")


def register_party(
    party: Annotated[str, typer.Argument(help="its partyId, e.g. home-42")],
    role: Annotated[
        str,
        typer.Option(
            help="home, charging-site, fleet, data-centre, retailer or meter-data-provider"
        ),
    ] = "home",
    capacity_w: Annotated[
        int, typer.Option(help="the largest power that it may sell or buy, W", min=1)
    ] = 25_000,
    state: State = _STATE,
) -> None:
    """Let a party trade: prints where its credential file is, for `market.credential_file` of its gateway.

    Again with another capacity it changes that. Example: energy-sim operator register home-42 --capacity-w 11000
    """
    folder = str(state.resolve() / "credentials")
    _ask(state, "register", party=party, role=role, capacity_w=str(capacity_w), folder=folder)


def revoke(
    party: Annotated[str, typer.Argument(help="its partyId, e.g. home")], state: State = _STATE
) -> None:
    """Shut a party out for good: its resting tenders are cancelled, its fills stand.

    Example: energy-sim operator revoke home
    """
    _ask(state, "revoke", party=party)


def rotate_key(
    party: Annotated[str, typer.Argument(help="its partyId, e.g. home")], state: State = _STATE
) -> None:
    """Give a party a new signing key in its credential file; the former one ends after a day.

    Example: energy-sim operator rotate-key home
    """
    _ask(state, "rotate-key", party=party, folder=str(state.resolve() / "credentials"))


def export_limit(
    start: Annotated[str, typer.Argument(help="e.g. 2026-06-01T18:00:00Z")],
    end: Annotated[str, typer.Argument(help="half-open")],
    state: State = _STATE,
) -> None:
    """The grid operator limits exports: sellers whose gate has closed owe no fee for a shortfall.

    Example: energy-sim operator export-limit 2026-06-01T18:00:00Z 2026-06-01T19:00:00Z
    """
    _ask(state, "export-limit", start=start, end=end)


def _ask(state: Path, action: str, **query: str) -> None:
    import asyncio
    import json

    from simulators.exchange.operator import ask_operator

    print(json.dumps(asyncio.run(ask_operator(state, action, query)), indent=2))
