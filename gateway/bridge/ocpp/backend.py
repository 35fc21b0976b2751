"""The operator's backend behind the gateway: what the charger says is told to it, what it asks is asked of the charger.

While it is there it answers the charger, so that who may charge and what a transaction is called are its own. When it is away the gateway
answers, and the home charges on; what happened meanwhile is not told later. A limit of the backend is the charger's own business: it
takes the smallest of all profiles.
"""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
from collections.abc import Awaitable, Callable

import aiohttp

from gateway.bridge.ocpp.dialect import Payload
from gateway.clock import pause
from gateway.supervise import Availability, Backoff

log = logging.getLogger(__name__)

ANSWER_S = 10.0
MOST_BYTES = 256 * 1024


class Backend:
    """One charger's connection to its operator. ``ask`` sends a text to the charger."""

    def __init__(self, url: str, subprotocol: str, password: str | None, name: str) -> None:
        self._url, self._subprotocol = url, subprotocol
        station = url.rsplit("/", 1)[-1]
        self._headers = (
            {}
            if password is None
            else {"Authorization": aiohttp.encode_basic_auth(station, password)}
        )
        self._waiting: dict[str, asyncio.Future[Payload | None]] = {}
        self._asked: set[str] = set()
        self._link: aiohttp.ClientWebSocketResponse | None = None
        self._availability = Availability(f"the operator's backend of {name}")

    async def run(self, ask: Callable[[str], Awaitable[None]]) -> None:
        """Until cancelled: connect, hear, connect again."""
        backoff = Backoff(longest_s=120.0)
        async with aiohttp.ClientSession(headers=self._headers) as http:
            while True:
                try:
                    async with http.ws_connect(
                        self._url,
                        protocols=(self._subprotocol,),
                        ssl=ssl.create_default_context(),
                        max_msg_size=MOST_BYTES,
                        heartbeat=30,
                    ) as link:
                        self._link = link
                        self._availability.back()
                        backoff.reset()
                        async for message in link:
                            if message.type is aiohttp.WSMsgType.TEXT:
                                await self._hear(message.data, ask)
                    self._availability.lost("it closed the connection")
                except (aiohttp.ClientError, OSError, TimeoutError) as error:
                    self._availability.lost(error)
                finally:
                    self._link = None
                    self._give_up()
                await pause(backoff.next())

    async def _hear(self, text: str, ask: Callable[[str], Awaitable[None]]) -> None:
        try:
            frame = json.loads(text)
            kind, unique_id = frame[0], str(frame[1])
        except (ValueError, TypeError, IndexError, KeyError, RecursionError):
            log.debug("the operator's backend sends what is no OCPP")
            return
        if kind == 2:
            self._asked.add(unique_id)
            await ask(text)
        elif (waiting := self._waiting.get(unique_id)) is not None and not waiting.done():
            payload = frame[2] if kind == 3 and len(frame) == 3 else None
            waiting.set_result(payload if isinstance(payload, dict) else None)

    async def told(self, frame: str, unique_id: str) -> Payload | None:
        """See `gateway.bridge.ocpp.session.Operator`."""
        link = self._link
        if link is None:
            return None
        waiting: asyncio.Future[Payload | None] = asyncio.get_running_loop().create_future()
        self._waiting[unique_id] = waiting
        try:
            await link.send_str(frame)
            async with asyncio.timeout(ANSWER_S):
                return await waiting
        except (TimeoutError, ConnectionError):
            return None
        finally:
            self._waiting.pop(unique_id, None)

    def asked(self, unique_id: str) -> bool:
        """See `gateway.bridge.ocpp.session.Operator`."""
        if unique_id not in self._asked:
            return False
        self._asked.discard(unique_id)
        return True

    async def hand_on(self, frame: str) -> None:
        """See `gateway.bridge.ocpp.session.Operator`. A backend that takes nothing loses its connection."""
        link = self._link
        if link is None:
            return
        try:
            async with asyncio.timeout(ANSWER_S):
                await link.send_str(frame)
        except (TimeoutError, ConnectionError):
            await link.close()

    def _give_up(self) -> None:
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_result(None)
        self._asked.clear()
