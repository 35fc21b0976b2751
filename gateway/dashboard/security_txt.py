"""/.well-known/security.txt (RFC 9116): to whom a weakness is told. Pure."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, metadata

PATH = "/.well-known/security.txt"
EXPIRES = "2027-11-01T00:00:00Z"  # each release sets it, at most a year ahead (docs/releasing.md)


def security_txt(contact: str | None) -> str | None:
    """The file: the owner's ``contact`` first, then the project's own; None where there is neither."""
    contacts = [*([contact] if contact else []), *_of_the_project()]
    if not contacts:
        return None
    lines = [f"Contact: {c}" for c in dict.fromkeys(contacts)]
    return "\n".join([*lines, f"Expires: {EXPIRES}", "Preferred-Languages: en", ""])


def _of_the_project() -> list[str]:
    """What the package names as its ``Security`` URL."""
    try:
        urls = metadata("home-energy-gateway").get_all("Project-URL") or []
    except PackageNotFoundError:
        return []
    named = (url.partition(",") for url in urls)
    return [where.strip() for name, _, where in named if name.strip().lower() == "security"]
