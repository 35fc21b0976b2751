"""Asks a feed over HTTP; whatever goes wrong is one FeedError with one reason, and no key in it."""

from __future__ import annotations

from datetime import datetime, timedelta

from gateway.bounded_http import MOST_BYTES, BoundedHttp
from gateway.errors import FeedError
from gateway.escape import printable
from gateway.feeds import Answer, Ask, Feed, Request

_NONSENSE = (
    LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError, SyntaxError,
)  # fmt: skip
_REASONS = {
    401: "its key is refused",
    403: "it refuses us, or our key",
    404: "it knows no such address: check zone, product or node",
    429: "it was asked too often",
}


class HttpAsk:
    """Implements `Ask`. ``secret`` is cut out of whatever is said."""

    def __init__(self, http: BoundedHttp, secret: str | None) -> None:
        self._http, self._secret = http, secret

    async def __call__(self, request: Request) -> bytes:
        method = "GET" if request.body is None else "POST"
        try:
            status, body = await self._http.ask(
                method,
                request.url,
                query=request.query,
                body=request.body,
                headers=request.headers,
            )
        except FeedError as error:
            raise FeedError(self.without_secret(str(error))) from None  # its cause may hold the key
        if status == 204:
            return b""
        if status != 200:
            raise FeedError(f"{_REASONS.get(status, 'it gives no prices')} (HTTP {status})")
        return body

    def without_secret(self, text: str) -> str:
        return text.replace(self._secret, "***") if self._secret else text


class TopicAsk:
    """Implements `Ask` by what was published on an MQTT topic last."""

    def __init__(self, topic: str) -> None:
        self._topic = topic
        self._heard: bytes | None = None

    def hear(self, payload: bytes) -> None:
        """A document came, or (empty) was taken back."""
        self._heard = payload if len(payload) <= MOST_BYTES else b"too much"

    async def __call__(self, request: Request) -> bytes:
        if not self._heard:
            raise FeedError(f"nothing was published on the topic {printable(self._topic)} yet")
        return self._heard


async def asked(feed: Feed, ask: Ask, start: datetime, end: datetime) -> Answer:
    """The feed's answer; raises FeedError for all that is not understood."""
    try:
        answer = await feed.fetch(ask, start, end)
    except _NONSENSE as error:
        why = printable(f"{type(error).__name__} {error}")
        raise FeedError(f"its answer is not understood: {why}") from error
    kept = [r for r in answer.rows if r.span.end > start and r.span.start < end + timedelta(days=3)]
    return Answer(answer.currency, kept)
