"""A gateway that does nothing but write events and publish them, to be killed.

python -m tests.publishing.publisher_process JOURNAL PORT EVENTS
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from gateway.publishing.mqtt import Publisher
from gateway.store.journal import Journal
from tests.publishing.conftest import START, mqtt


async def main(path: Path, port: int, events: int) -> None:
    journal = Journal(path)
    publisher = Publisher(mqtt(port), "home", journal)
    async with asyncio.TaskGroup() as group:
        group.create_task(publisher.run())
        await publisher.wait_connected(20)
        while journal.head[0] < events:
            journal.append("note", {"n": journal.head[0] + 1}, START)
            publisher.wake()
            await asyncio.sleep(0)
        while not await publisher.flush():
            await publisher.wait_connected(20)
        await publisher.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
