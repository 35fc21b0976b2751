"""What each route of the exchange does: a question, or a decision and the answer made from it.

A route that changes something decides once (`decide`) and is answered from the stored decision
(`answer`), now and whenever the same key is sent again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from pydantic import BaseModel

from simulators.exchange import decisions, documents, questions
from simulators.exchange.evidence import Stored
from simulators.exchange.market import Market
from simulators.exchange.messages import Json
from simulators.exchange.questions import Question
from simulators.exchange.requests import Decision, Request


@dataclass(frozen=True, slots=True)
class Write:
    """A route that changes something: the decision, and the answer made from what is stored, the party's id and the
    time of receipt as it is written;
    ``partly`` names what was refused inside a request that was carried out."""

    decide: Callable[[Market, Request], Awaitable[Decision]]
    answer: Callable[[Stored, str, str], Json]
    partly: Callable[[Stored], list[str]] | None = None


@dataclass(frozen=True, slots=True)
class Route:
    """One route under /cts. Writes need an Idempotency-Key and, over TLS, a signature."""

    name: str
    about: str
    model: type[BaseModel] | None = None
    write: Write | None = None
    read: Callable[[Market, Question], Awaitable[Json]] | None = None
    query: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()


_REFERENCE = documents.ManageReferenceData
ROUTES = (
    Route(
        "createTender",
        "offer to trade in one interval",
        documents.CreateTender,
        Write(decisions.create_tender, decisions.created_tender),
    ),
    Route(
        "createStreamTender",
        "offers for intervals that follow each other",
        documents.CreateStreamTender,
        Write(
            decisions.create_stream_tender, decisions.created_stream, decisions.refused_intervals
        ),
    ),
    Route(
        "cancelTender",
        "take the rest of a tender back",
        documents.CancelTender,
        Write(decisions.cancel_tender, decisions.canceled_tender),
    ),
    Route(
        "deliver",
        "report a meter reading",
        documents.Deliver,
        Write(decisions.deliver, decisions.delivered),
    ),
    Route(
        "attest",
        "a receipt for the head of an account",
        documents.Attest,
        Write(decisions.attest, decisions.attested),
    ),
    Route("manageMarketReferenceData", "the market", _REFERENCE, read=questions.manage_market),
    Route(
        "manageSegmentReferenceData",
        "scales, lots, gates",
        _REFERENCE,
        read=questions.manage_segment,
    ),
    Route("manageSessionData", "state of the sessions", _REFERENCE, read=questions.manage_sessions),
    Route("manageInstrumentData", "the instruments", _REFERENCE, read=questions.manage_instruments),
    Route(
        "requestPosition",
        "net position",
        documents.RequestPosition,
        read=questions.request_position,
    ),
    Route(
        "manageTickerSubscription",
        "ask for a ticker",
        documents.ManageTicker,
        read=questions.manage_ticker,
    ),
    Route("party", "own registration", read=questions.party),
    Route(
        "tenders",
        "own tenders: open ones, or one by its id",
        read=questions.tenders,
        query=("tenderId",),
    ),
    Route(
        "transactions",
        "own fills after a sequence number",
        read=questions.transactions,
        query=("after",),
    ),
    Route(
        "calls",
        "clearing price of every call: after a sequence number, or of the intervals of a span",
        read=questions.calls,
        query=("after", "start", "end"),
        optional=("start", "end"),
    ),
    Route("prices", "published prices", read=questions.prices, query=("start", "end")),
    Route(
        "settlements", "own statements", read=questions.settlements, query=("start", "end", "run")
    ),
)
