"""Files that mean harm: a configuration or a state folder that somebody else has written into.

Each is one clear error, or is put aside; nothing else is read, written or followed.
"""

from __future__ import annotations

import logging
import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.clock import SimClock
from gateway.config.load import MOST_BYTES, load_guard_settings, load_settings
from gateway.devices.counters import Memory
from gateway.domain.control import Control
from gateway.errors import ConfigError, StorageError
from gateway.guard.intents import GuardFile
from gateway.guard.limit_log import LimitLog, LimitRow
from gateway.guard.settings_file import last_settings
from gateway.publishing.topic_memory import TopicMemory
from gateway.store.audit import AuditLog, read_audit
from gateway.store.settings import SettingsStore
from tests.hostile.five import CONFIGURATION, LINK, STATE, Property, Trial
from tests.market.values import T0

MB = 1024 * 1024
METER = '\n[[device]]\nname = "m"\nprofile = "sunspec-meter"\nhost = "127.0.0.1"\n'
NAMES = {
    "a path": "../../../etc/passwd",
    "an absolute path": "/etc/localtime",
    "a folder": "Europe",
    "100,000 letters": "A" * 100_000,
    "a line break": "Europe/Berlin\\nhost",
    "a NUL": "Europe\\u0000Berlin",
    "an escape": "\\u001b[2J",
    "nothing": "",
}
CONFIGURATIONS: dict[str, bytes] = {
    "a huge file": b"#" * (3 * MOST_BYTES),
    "no text": bytes(range(256)) * 40,
    "nested arrays": b"a = " + b"[" * 50_000,
    "nested tables": b"a = " + b'{b = ' * 5_000,
    "a device of a thousand lines": b'[[device]]\nname = "' + b"\\n" * 1_000 + b'"\nhost = "h"\n',
    "a value of half a megabyte": b'[site]\nreserve_pct = "' + b"9" * 500_000 + b'"\n' + METER.encode(),
    "a key that paints": b'[site]\n"\\u001b[31m" = 1\n' + METER.encode(),
    "a number of 4,000 digits": b"[site]\nreserve_pct = " + b"9" * 4_000 + b"\n" + METER.encode(),
    **{f"a time zone: {what}": f'[site]\ntime_zone = "{name}"{METER}'.encode() for what, name in NAMES.items()},
}  # fmt: skip


@pytest.mark.parametrize("what", CONFIGURATIONS)
def test_a_configuration_is_one_clear_error(what: str, tmp_path: Path) -> None:
    path, trial = tmp_path / "gateway.toml", Trial(CONFIGURATION)
    path.write_bytes(CONFIGURATIONS[what])
    tracemalloc.start()
    try:
        for load in (load_settings, load_guard_settings):
            with pytest.raises(ConfigError) as caught:
                load(path)
            trial.logged(str(caught.value).splitlines(), longest=1_200)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    trial.saw(Property.NUMBERS, [f"{peak} bytes"] if peak >= 16 * MB else ())
    trial.judge()


NOISE = {
    "noise": os.urandom(5_000),
    "nothing": b"",
    "nested": b"[" * 200_000,
    "endless": b'{"intents": "' + b"x" * (2 * MB) + b'"}',
    "another kind": b'{"intents": [1, 2], "version": 1, "words": 7}',
    "a later version": b'{"version": 99}',
    "huge numbers": b'{"version": 1, "flash_day": "2026-06-01", "flash_writes": {"a": {"1": 1e400}}}',
}


@pytest.mark.parametrize("what", NOISE)
def test_state_files_that_others_wrote_move_nothing(
    what: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    trial = Trial(STATE)
    for name in ("guard.json", "guard-settings.json", "mqtt_topics.json", "audit.jsonl"):
        (tmp_path / name).write_bytes(NOISE[what])
    file = GuardFile(tmp_path / "guard.json")
    trial.saw(Property.NUMBERS, file.pending("inverter"))
    if file.whole and what != "nothing":  # what we had set is not known: all is released at once
        trial.saw(Property.NUMBERS, ["the guard's file is believed"])
    trial.saw(Property.NUMBERS, [last] if (last := last_settings(tmp_path)) else ())
    trial.saw(Property.NUMBERS, TopicMemory(tmp_path / "mqtt_topics.json").topics)
    trial.saw(Property.NUMBERS, read_audit(tmp_path))
    file.remember("inverter", Control.BATTERY_POWER, "{}", T0)
    owing = GuardFile(tmp_path / "guard.json").owing
    trial.saw(Property.BACK, [owing] if owing != {"inverter"} else ())
    trial.logged([record.getMessage() for record in caplog.records])
    trial.judge()


Write = Callable[[Path], object]
MINE = '{"mine": 1}'
ROW = LimitRow("", "relay", "export", "set", 0.0, "", 0.0, 0.0, 0.0)
LINKED: dict[str, tuple[str, Write]] = {
    "the guard's new file": (
        "guard.json.new",
        lambda f: GuardFile(f / "guard.json").setting("a", "b"),
    ),
    "the guard's file": ("guard.json", lambda f: GuardFile(f / "guard.json").setting("a", "b")),
    "the topics' new file": (
        "mqtt_topics.json.new",
        lambda f: TopicMemory(f / "mqtt_topics.json").add(["a"]),
    ),
    "the operator's limits": ("operator-limits.csv", lambda f: LimitLog(f).add(ROW, T0)),
    "the audit": (
        "audit.jsonl",
        lambda f: AuditLog(f, SimClock(T0)).note("page", "x", "login", "ok", done=True),
    ),
    "the topics": ("mqtt_topics.json", lambda f: TopicMemory(f / "mqtt_topics.json").add(["a"])),
}


@pytest.mark.parametrize("what", LINKED)
def test_a_link_in_the_state_folder_is_not_written_through(
    what: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    trial = Trial(LINK)
    name, write = LINKED[what]
    other, state = tmp_path / "other", tmp_path / "state"
    state.mkdir()
    other.write_text(MINE)
    os.symlink(other, state / name)
    write(state)
    trial.saw(Property.NUMBERS, [text] if (text := other.read_text()) != MINE else ())
    trial.logged([record.getMessage() for record in caplog.records])
    trial.judge()


def test_a_folder_in_a_files_place_is_an_error_and_no_more(tmp_path: Path) -> None:
    (tmp_path / "settings.sqlite").mkdir()
    (tmp_path / "guard.json").mkdir()
    with pytest.raises(StorageError):
        SettingsStore(tmp_path / "settings.sqlite").setting("a")
    file: Memory = GuardFile(tmp_path / "guard.json")
    with pytest.raises(StorageError):
        file.setting("a", "b")
