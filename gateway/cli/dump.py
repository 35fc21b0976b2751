"""energy-gateway dump: what a bug report needs, without what is nobody's business."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.config.paths import default_config

if TYPE_CHECKING:
    from gateway.config.settings import Settings


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("dump")(dump)


def dump(
    config: Annotated[Path, typer.Option(help="the gateway's configuration")] = default_config(),
    out: Annotated[Path | None, typer.Option(help="file to write; else it is printed")] = None,
) -> None:
    """Collect for a bug report: versions, configuration, faults, the running gateway's state, the day's decisions.

    Names, addresses, places and identifiers are masked (docs/security.md); secrets are not even read. Look through it before you send it.

    Example: energy-gateway dump --out dump.json
    """
    import json
    import sys

    from gateway.config.load import text_of
    from gateway.config.masked import Mask
    from gateway.errors import ConfigError

    mask = Mask(_raw(text_of(config)) if config.exists() else {})
    text = mask.document(json.dumps(_collected(config, mask), indent=2, default=str))
    if out is None:
        print(text)
        return
    try:
        out.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"--out {out}: cannot be written: {error.strerror}") from error
    sys.stderr.write(f"written to {out}; look through it before you send it\n")


def _raw(text: str) -> dict[str, Any]:
    import tomllib

    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError):
        return {}


def _collected(config: Path, mask: Any) -> dict[str, Any]:
    import platform
    from importlib.metadata import version

    from gateway import __version__
    from gateway.clock import WallClock
    from gateway.config.load import load_settings
    from gateway.domain.intervals import iso
    from gateway.errors import ConfigError

    found: dict[str, Any] = {
        "gateway": __version__,
        "time": iso(WallClock().now()),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "libraries": {
            n: version(n) for n in ("pymodbus", "aiomqtt", "aiohttp", "pydantic", "numpy")
        },
        "configuration": mask.tables,
    }
    try:
        settings = load_settings(config)
    except ConfigError as error:
        return {**found, "faults": str(error).splitlines()}
    return {**found, **_of_the_home(config, settings)}


def _of_the_home(config: Path, settings: Settings) -> dict[str, Any]:
    from gateway.agent.local_socket import ask_agent
    from gateway.checkup import faults, questions
    from gateway.config.credstore import handed_over
    from gateway.config.load import text_of
    from gateway.errors import StorageError

    text = text_of(config)
    with handed_over(config) as known:
        wrong = faults(config, text, settings, secrets_known=known)
    try:
        running: Any = ask_agent(settings.state_dir)
    except StorageError as error:
        running = str(error)
    return {
        "faults": wrong,
        "questions": questions(config, text, settings),
        "running": running,
        "state": _files(settings.state_dir),
        "decisions": _decisions(settings),
    }


def _files(folder: Path) -> dict[str, int] | str:
    try:
        return {f.name: f.stat().st_size for f in sorted(folder.iterdir()) if f.is_file()}
    except OSError as error:
        return f"{error.strerror}"


def _decisions(settings: Settings) -> list[str]:
    """What was decided for the battery in the last day, as far as it is written."""
    from datetime import timedelta

    from gateway.domain.intervals import iso
    from gateway.errors import StorageError
    from gateway.store.decisions import FILE, DecisionStore
    from gateway.store.home_time import home_now

    folder = settings.state_dir
    try:
        now = home_now(folder, settings.time.start, settings.time.rate)
        if not (folder / FILE).exists():
            return []
        store = DecisionStore(folder / FILE, read_only=True)
        try:
            found = store.between(now - timedelta(days=1), now)
        finally:
            store.close()
    except (OSError, StorageError) as error:
        return [str(error)]
    return [f"{iso(d.since)} {d.reason.value}: {d.sentence}" for d in found]
