"""A tree that would be released with a contact that nobody reads, or without a key that signs it, is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.release_check import SIGNERS, faults

NOW = datetime(2026, 12, 1, tzinfo=UTC)
SOON = (NOW + timedelta(days=300)).isoformat()


def tree(folder: Path, security: str | None, signers: str | None) -> Path:
    url = "" if security is None else f'[project.urls]\nSecurity = "{security}"\n'
    (folder / "pyproject.toml").write_text(f'[project]\nname = "x"\n{url}')
    (folder / "docs").mkdir()
    (folder / "changes").mkdir()
    if signers is not None:
        (folder / SIGNERS).write_text(signers)
    return folder


@pytest.fixture(scope="module")
def key() -> str:
    """A line as the owner would write it, of a key that is made here."""
    public = Ed25519PrivateKey.generate().public_key()
    return "release " + public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


def test_what_is_set_may_be_released(tmp_path: Path, key: str) -> None:
    root = tree(tmp_path, "https://energy.home-gateway.org/security", "# keys\n" + key)
    assert list(faults(root, NOW, SOON)) == []


def test_nothing_set_names_each_thing(tmp_path: Path) -> None:
    root = tree(tmp_path, None, None)
    (root / "changes" / "+one.added.md").write_text("One.")
    found = "\n".join(faults(root, NOW, (NOW + timedelta(days=500)).isoformat()))
    for word in ("Security", "EXPIRES", "allowed_signers", "changes/"):
        assert word in found


@pytest.mark.parametrize(
    "contact",
    [
        "https://example.org/security",
        "mailto:security@your-project.org",
        "mailto:nobody",
        "http://energy.home-gateway.org",
        "https://localhost/x",
        "TODO",
        "https://project.invalid",
    ],
)
def test_a_stand_in_is_no_contact(tmp_path: Path, key: str, contact: str) -> None:
    (fault,) = faults(tree(tmp_path, contact, key), NOW, SOON)
    assert contact in fault


@pytest.mark.parametrize(
    "line",
    [
        "",
        "release",
        "release ssh-ed25519 AAAA",
        "release ssh-rsa AAAAB3NzaC1yc2E",
        "release ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI" + 43 * "A",
    ],
)
def test_what_is_no_key_signs_nothing(tmp_path: Path, line: str) -> None:
    (fault,) = faults(tree(tmp_path, "https://energy.home-gateway.org/security", line), NOW, SOON)
    assert "allowed_signers" in fault


@pytest.mark.parametrize("days", [-1, 0, 400])
def test_a_contact_expires_within_a_year(tmp_path: Path, key: str, days: int) -> None:
    root = tree(tmp_path, "https://energy.home-gateway.org/security", key)
    (fault,) = faults(root, NOW, (NOW + timedelta(days=days)).isoformat())
    assert "EXPIRES" in fault
