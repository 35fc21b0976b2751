"""energy-gateway: run, check, scan, statement, backtest and the rest; one file a group of commands.

Every module in this folder registers its commands by ``register(app)``. They import what they need
inside the command, so that ``--help`` answers at once.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from pkgutil import iter_modules
from typing import Annotated

import typer

from gateway import __version__
from gateway.errors import AlreadyRuns, ConfigError, GatewayError

COMPLETE = "_ENERGY_GATEWAY_COMPLETE"
ABOUT = """The home energy gateway: run it, check it, ask it.

Times are local unless they say an offset: 18:15, today, yesterday, 2026-06, 2026-06-01, '2026-06-01 18:15', 2026-06-01T18:15Z.
Exit 0: done and well; 1: something failed, does not answer or differs; 2: the configuration, an option or an argument is wrong; 3 (of run): another gateway runs already.
"""


def make_app(package: str, about: str) -> typer.Typer:
    """The command line of ``package``: all commands that its modules register."""
    app = typer.Typer(
        help=about, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
    )
    app.callback(help=about)(_options)
    for found in sorted(iter_modules(import_module(package).__path__), key=lambda m: m.name):
        import_module(f"{package}.{found.name}").register(app)
    return app


def _say_version(context: typer.Context, wanted: bool) -> None:
    if wanted:
        print(f"{context.find_root().info_name} {__version__}")
        raise typer.Exit


_VERSION = typer.Option("--version", callback=_say_version, is_eager=True, help="say it and end")


def _options(_version: Annotated[bool, _VERSION] = False) -> None:
    """Those before any command."""


def run_app(app: typer.Typer) -> None:
    """Run a command line; an error of ours is one clear line and exit 2 (configuration), 3 (another gateway runs) or 1."""
    try:
        app()
    except GatewayError as error:
        sys.stderr.write(f"error: {error}\n")
        raise SystemExit(exit_code(error)) from None


def exit_code(error: GatewayError) -> int:
    """docs/operations.md has the table."""
    if isinstance(error, AlreadyRuns):
        return 3
    return 2 if isinstance(error, ConfigError) else 1


def main() -> None:
    """Entry point of ``energy-gateway``."""
    if COMPLETE in os.environ:
        from typer._completion_classes import completion_init

        completion_init()  # the shell asks what may come next (the Debian package brings its script)
    run_app(make_app("gateway.cli", ABOUT))
