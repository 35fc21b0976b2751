"""energy-gateway password: what the page needs before it listens beyond this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    app.command("password")(password)


def password(
    file: Annotated[
        Path, typer.Argument(help="the service's credential, or what dashboard.password_file names")
    ],
) -> None:
    """Ask twice for the page's password and write its hash to FILE, readable by its owner alone.

    systemd hands the file of the example over to the service, which runs as a user of its own.

    Example: energy-gateway password /etc/credstore/energy-gateway.dashboard_password
    """
    import os

    from gateway.dashboard.password import hashed
    from gateway.errors import ConfigError

    secret = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    try:
        line = hashed(secret)
    except ValueError as error:
        raise ConfigError(str(error)) from error
    try:
        file.parent.mkdir(mode=0o700, exist_ok=True)
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as out:
            os.fchmod(descriptor, 0o600)
            out.write(line + "\n")
    except OSError as error:
        raise ConfigError(f"{file}: cannot be written: {error.strerror}") from error
    print(f"written to {file}")
