"""energy-gateway why: what was decided for the battery and for a charger's phases, and why."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from gateway.config.paths import default_config
from gateway.domain.moments import HELP

if TYPE_CHECKING:
    from datetime import datetime

    from gateway.domain.decisions import Decision, PhaseDecision


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("why")(why)


def why(
    moment: Annotated[
        str | None,
        typer.Argument(help=f"{HELP}; a time alone is the last one"),
    ] = None,
    config: Annotated[Path, typer.Option(help="the gateway's configuration")] = default_config(),
    as_json: Annotated[bool, typer.Option("--json", help="everything, as JSON")] = False,
) -> None:
    """Say why the battery did what it did and a charger used its phases, at a moment or over a day (without one: the last 24 hours).

    The daemon writes its decisions every quarter of an hour, so the newest may be missing. A month at least is kept.

    Example: energy-gateway why 18:15
    """
    import json
    import sys
    from datetime import timedelta

    from gateway.config.load import load_settings
    from gateway.domain.decisions import PhaseDecision
    from gateway.errors import ConfigError
    from gateway.store.decisions import FILE, DecisionStore
    from gateway.store.home_time import home_now

    settings = load_settings(config)
    zone = ZoneInfo(settings.site.time_zone)
    path = settings.state_dir / FILE
    if not path.exists():
        raise ConfigError(f"{path}: nothing is decided yet; the daemon makes it (state_dir)")
    now = home_now(settings.state_dir, settings.time.start, settings.time.rate)
    since, until = (now - timedelta(hours=24), now) if moment is None else span(moment, now, zone)
    store = DecisionStore(path, read_only=True)
    try:
        found: list[Decision | PhaseDecision] = sorted(
            [*store.between(since, until), *store.phases_between(since, until)],
            key=lambda decision: decision.since,
        )
    finally:
        store.close()
    if as_json:
        print(json.dumps([_body(d) for d in found], indent=2))
        return
    if not found:
        at = f"{since.astimezone(zone):%Y-%m-%d %H:%M}"
        what = "the last 24 hours" if moment is None else f"{at} ({zone.key})"
        raise ConfigError(
            f"nothing is known of {what}; the newest is written each quarter of an hour, a month at least is kept"
        )
    day = ""
    for decision in found:
        start: datetime = decision.since.astimezone(zone)
        if day != (day := f"{start:%Y-%m-%d}"):
            sys.stdout.write(f"{day}\n")
        what = decision.sentence.text
        if isinstance(decision, PhaseDecision):
            what = f"{decision.charger} {what}"
        sys.stdout.write(f"  {start:%H:%M}-{decision.until.astimezone(zone):%H:%M}  {what}\n")


def span(text: str, now: datetime, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """The UTC span that a person means by ``text``; raises ConfigError."""
    from gateway.domain.moments import span_of
    from gateway.errors import ConfigError

    try:
        return span_of(text, now, zone)
    except ValueError as error:
        raise ConfigError(str(error)) from None


def _body(decision: Decision | PhaseDecision) -> dict[str, object]:
    from gateway.domain.decisions import PhaseDecision
    from gateway.domain.intervals import iso

    if isinstance(decision, PhaseDecision):
        return {
            "since": iso(decision.since),
            "until": iso(decision.until),
            "reason": decision.reason.value,
            "sentence": decision.sentence.text,
            "charger": decision.charger,
            "phases": decision.phases,
        }
    return {
        "since": iso(decision.since),
        "until": iso(decision.until),
        "reason": decision.reason.value,
        "sentence": decision.sentence.text,
        "battery_w": decision.battery_w,
    }
