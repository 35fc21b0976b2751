"""energy-gateway forget: delete what is personal."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gateway.config.paths import default_config

_CONFIG = typer.Option(help="the gateway's configuration")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("forget")(forget)


def forget(
    config: Annotated[Path, _CONFIG] = default_config(),
    yes: Annotated[bool, typer.Option("--yes", help="do it; else it is only listed")] = False,
    account: Annotated[
        bool, typer.Option("--account", help="the account, too: nothing proves it afterwards")
    ] = False,
) -> None:
    """List what is kept of you, and with --yes delete it: history, settings, audit, topics at the broker.

    Stop the daemon first. Backups that you made, the configuration, secrets and the system's log are not
    touched: they are files of your own.

    Example: energy-gateway forget --yes
    """
    from gateway.config.load import load_settings
    from gateway.errors import JournalBroken, StorageError
    from gateway.guard.intents import GuardFile
    from gateway.guard.lock import lock_state
    from gateway.store import forgetting
    from gateway.store.journal import Journal

    settings = load_settings(config)
    folder = settings.state_dir
    lock = lock_state(folder) if yes else None  # it must not run meanwhile; held until we end
    if yes and lock is None:
        raise StorageError(f"{folder}: cannot be written; nothing was deleted")
    trades = False
    if (folder / "journal.sqlite").exists():
        try:
            journal = Journal(folder / "journal.sqlite", read_only=True)
            trades = journal.book.tender_count > 0
            journal.close()
        except (JournalBroken, StorageError):
            trades = True  # it cannot be read: what is in it is for its owner to look at
    owed = GuardFile(folder / "guard.json").owing
    found = forgetting.plan(folder, trades=trades, owed=owed, account=account)
    topics = _topics(folder)
    for path, what in found.goes:
        print(f"{'deleted' if yes else 'would be deleted'}: {path} ({what})")
    print(f"{'cleared' if yes else 'would be cleared'}: {len(topics)} topics at the MQTT broker")
    for path, why in found.stays:
        print(f"stays: {path} ({why})")
    if not yes:
        print("nothing was deleted; --yes does it")
        return
    if topics:
        _clear(settings.mqtt, topics)
    forgetting.carry_out(found)


def _topics(folder: Path) -> list[str]:
    from gateway.publishing.topic_memory import TopicMemory

    return sorted(TopicMemory(folder / "mqtt_topics.json").topics)


def _clear(settings: object, topics: list[str]) -> None:
    """Before the list of them goes: else nobody knows them any more. Raises BrokerError."""
    import asyncio

    from gateway.config.agent_settings import Mqtt
    from gateway.publishing.broker import connection
    from gateway.publishing.topics import Message

    assert isinstance(settings, Mqtt)  # noqa: S101 - imported here, for --help

    async def clear() -> None:
        async with connection(settings, "energy-gateway-forget", None) as link:
            await link.publish_all([Message(topic, b"", 1, True) for topic in topics])

    asyncio.run(clear())
