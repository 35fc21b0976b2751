"""energy-gateway audit: who logged in and who commanded what."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import Annotated

import typer

from gateway.config.paths import default_config

_CONFIG = typer.Option(help="the gateway's configuration")
_STATE = typer.Option(help="folder of the journal; default: state_dir of --config")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("audit")(audit)


def audit(
    config: Annotated[Path, _CONFIG] = default_config(),
    state: Annotated[Path | None, _STATE] = None,
    refused: Annotated[bool, typer.Option("--refused", help="what was refused instead")] = False,
    last: Annotated[int, typer.Option(help="so many entries at most")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object a line")] = False,
) -> None:
    """Print logins and commands with their result: page, MQTT and command line.

    Example: energy-gateway audit --refused --last 20
    """
    import json
    import sys
    from collections import deque
    from dataclasses import asdict

    from gateway.config.load import load_settings
    from gateway.escape import printable
    from gateway.store.audit import read_audit

    folder = state or load_settings(config).state_dir
    entries = deque(read_audit(folder, refused=refused), maxlen=max(1, last))
    if not entries:
        print("nothing was refused yet" if refused else "nothing was done yet", file=sys.stderr)
    for entry in entries:
        if as_json:
            print(json.dumps(asdict(entry)))
        else:
            said = (printable(text) for text in asdict(entry).values())
            print("  ".join(said))


def note_command(folder: Path, what: str, result: str = "ok", *, done: bool = True) -> None:
    """For commands that change or hand out what is stored: who ran them on this machine."""
    from gateway.clock import WallClock
    from gateway.store.audit import AuditLog

    AuditLog(folder, WallClock()).note("cli", _user(), what, result, done=done)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user without a name
        import os

        return f"uid {os.getuid()}"
