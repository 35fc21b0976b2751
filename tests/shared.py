"""Where the data lies that is not part of this project: beside it, or where HEG_SHARED says."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def shared_file(name: str) -> Path:
    """The file, or a skip that says what is missing."""
    root = Path(os.environ.get("HEG_SHARED") or Path(__file__).parents[2] / "shared")
    path = root / name
    if not path.exists():
        pytest.skip(f"{name} is not here: set HEG_SHARED to the folder that holds it")
    return path
