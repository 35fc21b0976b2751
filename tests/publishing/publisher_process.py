"""A gateway that does nothing but write events and publish them, to be killed.

python -m tests.publishing.publisher_process JOURNAL PORT EVENTS [stay]

It writes until the journal holds EVENTS, and ends when all are sent, or with `stay` only when killed.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from gateway.publishing.mqtt import Publisher
from gateway.store.journal import Journal
from tests.publishing.conftest import START, connected, delivered, mqtt


async def main(path: Path, port: int, events: int, stay: bool) -> None:
    journal = Journal(path)
    publisher = Publisher(mqtt(port), "home", journal)
    async with asyncio.TaskGroup() as group:
        group.create_task(publisher.run())
        await connected(publisher)
        while journal.head[0] < events:
            journal.append("note", {"n": journal.head[0] + 1}, START)
            publisher.wake()
            await asyncio.sleep(0)
        await delivered(publisher)
        while stay:
            await asyncio.sleep(60)
        await publisher.close()


if __name__ == "__main__":
    path, port, events, *stay = sys.argv[1:]
    asyncio.run(main(Path(path), int(port), int(events), bool(stay)))
