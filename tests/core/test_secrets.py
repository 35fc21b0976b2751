"""How secrets lie about, and travel, is said in words that tell what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.config.secrets import complaints
from gateway.config.settings import Settings


def settings(**more: Any) -> Settings:
    return Settings.model_validate({"device": [{"name": "inverter", "host": "127.0.0.1"}], **more})


@pytest.mark.parametrize(("mode", "said"), [(0o600, False), (0o640, True), (0o604, True)])
def test_a_file_that_others_may_read(mode: int, said: bool, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("x")
    file.chmod(mode)
    found = complaints(settings(dashboard={"password_file": file}))
    assert found == (
        [f"dashboard.password_file = {file}: others on this machine may read it; chmod 600 {file}"]
        if said
        else []
    )


@pytest.mark.parametrize(
    ("host", "more", "said"),
    [
        ("broker.lan", {}, True),
        ("192.168.1.5", {}, True),
        ("127.0.0.1", {}, False),
        ("::1", {}, False),
        ("localhost", {}, False),
        ("broker.lan", {"tls": True}, False),
        ("broker.lan", {"username": None}, False),
    ],
)
def test_a_password_without_tls_to_another_host(
    host: str, more: dict[str, Any], said: bool
) -> None:
    found = complaints(settings(mqtt={"host": host, "username": "home", **more}))
    assert [f"to {host} without TLS" in line for line in found] == [True] * said
