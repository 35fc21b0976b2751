"""energy-gateway backup and restore: the account and all that the gateway keeps, as one file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.audit import note_command
from gateway.config.paths import default_config

_CONFIG = typer.Option(help="the gateway's configuration")
_STATE = typer.Option(help="folder of the journal; default: state_dir of --config")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("backup")(backup)
    app.command("restore")(restore)


def backup(
    file: Annotated[Path, typer.Argument(help="the file to write")],
    config: Annotated[Path, _CONFIG] = default_config(),
    state: Annotated[Path | None, _STATE] = None,
) -> None:
    """Copy account, settings and history into one file, beside the running daemon.

    Configuration, secrets and keys are not in it.

    Example: energy-gateway backup /media/usb/home-2026-06-01.tar
    """
    from gateway.clock import WallClock
    from gateway.store import backup as made

    folder = _folder(config, state)
    names = made.backup(folder, file, WallClock().now())
    note_command(folder, f"backup to {file}")
    print(f"{file}: {', '.join(names)}")


def restore(
    file: Annotated[Path, typer.Argument(help="a file that backup has made")],
    config: Annotated[Path, _CONFIG] = default_config(),
    state: Annotated[Path | None, _STATE] = None,
) -> None:
    """Put a backup back, here or on another machine; stop the daemon first.

    The account in it is verified before anything is touched; what was there stays as *.before-restore.
    At its next start the gateway asks the exchange for what happened since.

    Example: energy-gateway restore /media/usb/home-2026-06-01.tar
    """
    from gateway.store import backup as made

    folder = _folder(config, state)
    names = made.restore(file, folder)
    note_command(folder, f"restore of {file}")
    print(f"{folder}: {', '.join(names)}")


def _folder(config: Path, state: Path | None) -> Path:
    from gateway.config.load import load_settings

    return state or load_settings(config).state_dir
