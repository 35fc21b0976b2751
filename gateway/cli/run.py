"""`energy-gateway run`: the daemon. systemd starts it; a person may too."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gateway.config.paths import default_config

MOST_SETTINGS = 60_000  # bytes that a pipe holds without a reader (64 KiB on Linux)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(run)


def run(
    config: Annotated[Path, typer.Option(help="the configuration")] = default_config(),
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error")] = "info",
    log_json: Annotated[bool, typer.Option("--log-json", help="one JSON object a line")] = False,
    setup_port: Annotated[
        int, typer.Option(min=1, max=65535, help="of the first start's page, on this machine")
    ] = 8750,
) -> None:
    """Run the gateway until SIGTERM or Ctrl-C; it releases all devices before it ends.

    Example: energy-gateway run --config /etc/energy-gateway/gateway.toml

    Without a configuration it serves a page that asks for one, at the address that it prints, and then runs.
    This process checks the part of the configuration that keeps the home safe and becomes the guard;
    the guard starts the agent, which reads the rest.
    """
    import os
    import sys

    from gateway.systemd import end_later

    os.umask(0o077)  # what is measured and traded here is nobody else's on this machine
    end_later()  # a stop that comes before the guard can hear it still finds the devices released

    import msgspec

    from gateway.config.load import load_guard_settings
    from gateway.errors import ConfigError

    levels = ("debug", "info", "warning", "error")
    if log_level not in levels:
        raise ConfigError(f"--log-level {log_level}: use one of {', '.join(levels)}")
    if not config.exists():
        config = _set_up(config, setup_port)
    words = ["--config", str(config), "--log-level", log_level]
    words += ["--log-json"] if log_json else []
    try:
        settings = msgspec.json.encode(load_guard_settings(config))
    except ConfigError as error:
        known = last_good(config)
        if known is None:
            raise
        settings = known
        typer.echo(str(error), err=True)
        words.append("--release-only")
    if len(settings) > MOST_SETTINGS:
        raise ConfigError(f"{config}: describes more devices than one gateway can serve")
    reading, writing = os.pipe()
    os.write(writing, settings)
    os.close(writing)
    os.set_inheritable(reading, True)
    words = ["--settings-fd", str(reading), *words]
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-P", "-m", "gateway.guard", *words])  # noqa: S606


def _set_up(config: Path, port: int) -> Path:
    """The file that the first start's page writes; where the service may not write it, in its state folder.

    One that comes another way meanwhile (`init` in a terminal, an editor) is taken as well, once it is right. Ends the process where
    a signal comes before the answers.
    """
    import os

    from gateway.config.paths import SYSTEM, WRITTEN
    from gateway.setup.run import set_up

    asked, folder = config, os.environ.get("STATE_DIRECTORY", "")
    if config == SYSTEM and folder and ":" not in folder and not os.access(config.parent, os.W_OK):
        config = Path(folder) / WRITTEN.name
    if config.exists():
        return config
    if not set_up(config, "127.0.0.1", port, came=_Comes(asked)):
        raise typer.Exit(0)
    return asked if asked.exists() else config


class _Comes:
    """Whether ``config`` has come and is right; what is wrong with it is said once."""

    def __init__(self, config: Path) -> None:
        self._config, self._said = config, ""

    def __call__(self) -> bool:
        from gateway.config.load import load_settings
        from gateway.errors import ConfigError

        if not self._config.exists():
            return False
        try:
            load_settings(self._config)
        except ConfigError as error:
            if str(error) != self._said:
                self._said = str(error)
                typer.echo(f"not started yet: {error}", err=True)
            return False
        return True


def last_good(config: Path) -> bytes | None:
    """The guard's settings at its last start, from the state folder that the broken file names (or the
    usual one): by them the devices are released, whatever has become of the configuration."""
    import tomllib

    import msgspec

    from gateway.config.paths import state_folder
    from gateway.guard.settings_file import last_settings

    folder = Path("state")
    try:
        named = tomllib.loads(config.read_text(encoding="utf-8")).get("state_dir")
        folder = Path(named) if isinstance(named, str) else folder
    except (OSError, ValueError):
        pass
    known = last_settings(state_folder(folder, config))
    return None if known is None else msgspec.json.encode(known)
