"""The WebSocket ticker: every event after ``lastSeq``, then each new one; at least once, in order."""

from __future__ import annotations

import asyncio

from aiohttp import WSCloseCode, WSMsgType, web

from gateway.clock import pause
from simulators.exchange import messages
from simulators.exchange.events import frames_after
from simulators.exchange.market import Market


async def serve(
    request: web.BaseRequest,
    market: Market,
    party_id: str,
    last: int,
    senders: set[asyncio.Task[None]],
) -> web.WebSocketResponse:
    """Send until the client goes or the party is revoked. What the client says is only an
    acknowledgement (EiCreatedTransaction); it moves nothing, a client resumes with ``lastSeq``.
    ``senders`` has the task that sends, for whoever ends all of them."""
    socket = web.WebSocketResponse(heartbeat=30)
    await socket.prepare(request)
    async with asyncio.TaskGroup() as group:
        sender = group.create_task(_send(socket, market, party_id, last))
        hearing = group.create_task(_hear(socket))
        senders.add(sender)
        sender.add_done_callback(senders.discard)
        await asyncio.wait({sender, hearing}, return_when=asyncio.FIRST_COMPLETED)
        sender.cancel()
        hearing.cancel()
    # Nobody reads any more: so the close waits for the client's, who hears the reason in any case.
    if not socket.closed and market.parties.is_revoked(party_id):
        await socket.close(code=WSCloseCode.POLICY_VIOLATION, message=b"party-revoked")
    elif not socket.closed:
        await socket.close(code=WSCloseCode.GOING_AWAY)
    return socket


async def _hear(socket: web.WebSocketResponse) -> None:
    async for message in socket:
        if message.type is WSMsgType.ERROR:
            return


async def _send(socket: web.WebSocketResponse, market: Market, party_id: str, last: int) -> None:
    while not (socket.closed or market.parties.is_revoked(party_id)):
        news = market.news.current()  # what comes while we read is not missed
        async with market.news.turns:
            await pause(0)  # the store may answer at once: others are served between
            found = await frames_after(market.ledger, market.parties, market.terms, party_id, last)
            frames = [
                (seq, messages.dump({"seq": seq, "type": kind, "payload": payload}).decode())
                for seq, kind, payload in found
            ]
        try:  # a client that is slow to take them holds up nobody
            for seq, frame in frames:
                await socket.send_str(frame)
                last = seq
        except ConnectionError:
            return  # the client has gone; it will resume where it was
        if not frames:
            await news.wait()
