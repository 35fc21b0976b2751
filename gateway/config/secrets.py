"""Secrets from systemd credentials or files; never from the command line, never into a log."""

from __future__ import annotations

import os
from pathlib import Path

from gateway.errors import ConfigError


def secret_file(name: str, file: Path | None) -> Path | None:
    """``file``, else the file of systemd's credential ``name`` where there is one."""
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    if file is None and folder and (Path(folder) / name).exists():
        return Path(folder) / name
    return file


def credential(name: str, file: Path | None, key: str) -> str | None:
    """The secret in ``file``, else systemd's credential ``name``, else None.

    One trailing newline is not part of it. Raises ConfigError naming the configuration ``key``.
    """
    file = secret_file(name, file)
    if file is None:
        return None
    try:
        return file.read_text(encoding="utf-8").removesuffix("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{key} = {file}: cannot be read: {error}") from error
