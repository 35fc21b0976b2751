"""`energy-gateway check`: is the configuration right, and does everything that it names answer?"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.config.paths import default_config

if TYPE_CHECKING:
    from gateway.config.settings import Settings


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(check)


def check(
    config: Annotated[Path, typer.Option(help="the configuration")] = default_config(),
    offline: Annotated[bool, typer.Option("--offline", help="only read the file")] = False,
    accept: Annotated[
        bool, typer.Option("--accept", help="do not ask about what can hardly be meant")
    ] = False,
) -> None:
    """Test the configuration: every fault with file, line and key; every device, broker and exchange.

    What `run` builds is built here too. Nothing is written to a device, and a gateway that runs is not disturbed.
    A tariff that can hardly be meant so is asked about; the daemon does not follow it.
    Exit 0: all is well; 1: something does not answer, or is asked about; 2: the file is wrong.

    Example: energy-gateway check --config /etc/energy-gateway/gateway.toml
    """
    from gateway.checkup import built, faults, questions
    from gateway.config.credstore import handed_over
    from gateway.config.load import load_settings, text_of
    from gateway.config.secrets import complaints
    from gateway.errors import ConfigError

    settings, text = load_settings(config), text_of(config)
    with handed_over(config) as secrets_known:
        found = faults(config, text, settings, secrets_known=secrets_known)
        if not found and secrets_known:
            found = asyncio.run(built(config, text, settings))
        if found:
            raise ConfigError("\n".join(found))
        print(f"ok    {config}: {len(settings.device)} devices, the file is right")
        if not secrets_known:
            print(
                "note  the service's credentials are for root alone to see: sudo energy-gateway check"
            )
        for line in complaints(settings):
            print(f"note  {line}")
        asked = questions(config, text, settings, accepted=accept)
        for line in asked:
            print(f"ASK   {line}")
        answers = offline or asyncio.run(_ask(config, text, settings, secrets_known))
    if asked or not answers:
        sys.exit(1)


async def _ask(config: Path, text: str, settings: Settings, secrets_known: bool) -> bool:
    from gateway.checkup import checkup

    well = True
    async for finding in checkup(config, text, settings, secrets_known=secrets_known):
        well = well and finding.good
        print(f"{'ok' if finding.good else 'FAULT':5} {finding.what}: {finding.says}")
    return well
