"""The JSON schema of a sheet, for editors: made from `format`, kept beside it as `sheet.schema.json`."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec

from gateway.devices.sheets.format import Sheet

FILE = Path(__file__).with_name("sheet.schema.json")


def schema_text() -> str:
    """The schema as it stands in the file."""
    made = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Sheet of a device family",
        **msgspec.json.schema(Sheet),
    }
    return json.dumps(made, indent=1, sort_keys=True) + "\n"
