"""The WebSocket ticker: every event after ``lastSeq``, then each new one; at least once, in order."""

from __future__ import annotations

import asyncio

from aiohttp import WSCloseCode, WSMsgType, web

from simulators.exchange import messages
from simulators.exchange.events import frames_after
from simulators.exchange.market import Market

SOCKETS = web.AppKey("sockets", set[web.WebSocketResponse])


async def close_all(app: web.Application) -> None:
    """The exchange goes; its listeners may come back with their ``lastSeq``."""
    open_now = app[SOCKETS]
    for socket in tuple(open_now):  # each removes itself
        await socket.close(code=WSCloseCode.GOING_AWAY)


async def serve(
    request: web.Request, market: Market, party_id: str, last: int
) -> web.WebSocketResponse:
    """Send until the client goes or the party is revoked. What the client says is only an
    acknowledgement (EiCreatedTransaction); it moves nothing, a client resumes with ``lastSeq``."""
    socket = web.WebSocketResponse(heartbeat=30)
    await socket.prepare(request)
    request.app[SOCKETS].add(socket)
    try:
        async with asyncio.TaskGroup() as group:
            sender = group.create_task(_send(socket, market, party_id, last))
            async for message in socket:
                if message.type is WSMsgType.ERROR:
                    break
            sender.cancel()
    finally:
        request.app[SOCKETS].discard(socket)
    return socket


async def _send(socket: web.WebSocketResponse, market: Market, party_id: str, last: int) -> None:
    while not socket.closed:
        if market.parties.is_revoked(party_id):
            await socket.close(code=WSCloseCode.POLICY_VIOLATION, message=b"party-revoked")
            return
        news = market.news.current()  # what comes while we read is not missed
        frames = await frames_after(market.ledger, market.parties, market.terms, party_id, last)
        try:
            for seq, kind, payload in frames:
                frame = {"seq": seq, "type": kind, "payload": payload}
                await socket.send_str(messages.dump(frame).decode())
                last = seq
        except ConnectionError:
            return  # the client has gone; it will resume where it was
        if not frames:
            await news.wait()
