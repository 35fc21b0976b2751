"""One connection of one charger: frames in and out, each checked against the standard, and what it is asked to take.

A message that is wrong is answered by the standard's error and the connection goes on. With an operator's backend
(`gateway.bridge.ocpp.backend`) what the charger says is told to it too, and its answer is the charger's answer while it is there.
"""

from __future__ import annotations

import asyncio
import json
import logging
import uuid
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, Protocol

from ocpp import messages
from ocpp.exceptions import FormatViolationError, OCPPError
from ocpp.exceptions import NotImplementedError as NotHandled
from ocpp.messages import Call, CallError, CallResult, unpack, validate_payload

from gateway.bridge.ocpp.charger import Charger
from gateway.bridge.ocpp.dialect import Dialect, Payload, Request, UnknownAction
from gateway.clock import pause
from gateway.escape import printable
from gateway.log_budget import LogBudget

log = logging.getLogger(__name__)

ANSWER_S = 15.0  # a charger, or a backend, that has not answered by then will not
LOOK_S = 0.2  # real seconds between two looks at what the guard asks
AGAIN_S = 300.0  # a charger that took no limit is asked again then
_RENEW = 3  # a limit is renewed when a third of its lease has passed
_REFUSED_MOST = 3
_MOST_WITH_OPERATOR = 20  # messages that wait for the operator; more are answered here

messages.ASYNC_VALIDATION = False  # some microseconds, and what was said first is heard first
Spawn = Callable[[Coroutine[Any, Any, None]], object]


class Operator(Protocol):
    """The operator's backend, as a session needs it."""

    async def told(self, frame: str, unique_id: str) -> Payload | None:
        """Its answer to a charger's message; None where it is not there or refuses."""

    def asked(self, unique_id: str) -> bool:
        """Whether a request of that id was the backend's; it counts once."""

    async def hand_on(self, frame: str) -> None:
        """The charger's answer to it."""


class Session:
    """``send`` sends one text. `hear` takes each text that comes; `work` runs beside it until the connection ends.
    ``spawn`` starts what may wait for the operator.
    """

    def __init__(
        self,
        charger: Charger,
        dialect: Dialect,
        send: Callable[[str], Awaitable[None]],
        spawn: Spawn,
        operator: Operator | None = None,
    ) -> None:
        self._charger, self._dialect, self._send, self._operator = charger, dialect, send, operator
        self._spawn, self._with_operator = spawn, 0
        self._waiting: dict[str, tuple[str, asyncio.Future[Payload | None]]] = {}
        self._one = asyncio.Lock()
        self._budget = LogBudget(log, charger.clock, most=2)
        self._set: tuple[float, bool, str | int] | None = (
            None  # limit, one phase, transaction, as it was taken last
        )
        self._renew_at = self._again_at = float("-inf")
        self._has_safe = self._cleared = False
        self._refused = 0
        self._started: object = None

    async def hear(self, text: str) -> None:
        """One frame; nothing that comes can end the session."""
        try:
            message = unpack(text)
        except (OCPPError, RecursionError, TypeError, KeyError) as error:
            self._say("it sends what is no OCPP: %s", error)
            return
        if not isinstance(message.unique_id, str):
            self._say("it sends a message without an id%s", "")
        elif isinstance(message, Call):
            await self._called(message, text)
        elif message.unique_id in self._waiting:
            await self._answered(message)
        elif self._operator is not None and self._operator.asked(message.unique_id):
            self._spawn(self._operator.hand_on(text))

    async def _called(self, call: Call, text: str) -> None:
        try:
            await validate_payload(call, self._dialect.version)
            payload = json.loads(json.dumps(call.payload, default=float))
            answer = self._dialect.answer(self._charger, call.action, payload)
        except UnknownAction:
            await self._reply(call, NotHandled())
            return
        except OCPPError as error:
            self._say("it sends a message that the standard does not allow: %s", error.description)
            await self._reply(call, error)
            return
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            self._say("it sends a message that cannot be: %r", error)
            await self._reply(call, FormatViolationError())
            return
        if self._operator is not None and self._with_operator < _MOST_WITH_OPERATOR:
            self._with_operator += 1
            self._spawn(self._answer_of_both(self._operator, call, text, answer))
            return
        await self._send(call.create_call_result(answer).to_json())

    async def _answer_of_both(
        self, operator: Operator, call: Call, text: str, ours: Payload
    ) -> None:
        """The operator's answer, and ours where it has none."""
        try:
            answer = await operator.told(text, call.unique_id) or ours
        finally:
            self._with_operator -= 1
        self._dialect.heard_of_operator(self._charger, call.action, answer)
        await self._send(call.create_call_result(answer).to_json())

    async def _reply(self, call: Call, error: OCPPError) -> None:
        error.details = {}
        await self._send(call.create_call_error(error).to_json())

    async def _answered(self, message: CallResult | CallError) -> None:
        action, waiting = self._waiting.pop(message.unique_id)
        payload: Payload | None = None
        if isinstance(message, CallResult):
            message.action = action
            try:
                await validate_payload(message, self._dialect.version)
                payload = message.payload
            except OCPPError as error:
                self._say("its answer is none that the standard allows: %s", error.description)
        if not waiting.done():
            waiting.set_result(payload)

    async def ask(self, request: Request) -> Payload | None:
        """Its answer; None where it has none in time, or an error. One question at a time, as the standard wants."""
        action, payload = request
        async with self._one:
            unique_id = str(uuid.uuid4())
            waiting: asyncio.Future[Payload | None] = asyncio.get_running_loop().create_future()
            self._waiting[unique_id] = (action, waiting)
            try:
                await self._send(Call(unique_id, action, payload).to_json())
                async with asyncio.timeout(ANSWER_S):
                    return await waiting
            except TimeoutError:
                return None
            finally:
                self._waiting.pop(unique_id, None)

    async def work(self) -> None:
        """Until cancelled: greet it, keep its safe current, renew what the guard asks."""
        for request in self._dialect.greetings(self._charger):
            answer = await self.ask(request)
            if answer:
                self._dialect.told(self._charger, request[0], answer)
        self._charger.greeted = True
        while True:
            await self._start_if_plugged()
            await self._keep_limit()
            await pause(LOOK_S)

    async def _start_if_plugged(self) -> None:
        """A car that is plugged in charges, as with a charger that asks nobody: once a plug-in."""
        charger = self._charger
        if charger.state == "idle" or charger.transaction is not None:
            self._started = None
        if charger.state == "plugged" and charger.transaction is None and self._started is None:
            self._started = True
            if charger.starts:
                await self.ask(self._dialect.start(charger))

    async def _keep_limit(self) -> None:
        charger, now_s = self._charger, self._charger.clock.monotonic()
        if now_s < self._again_at:
            return
        if charger.is_free:
            await self._let_go()
            return
        if not self._has_safe:
            self._has_safe = await self._taken(self._dialect.safe(charger))
            self._cleared = False
            if not self._has_safe:
                return
        wanted, transaction = charger.limit_a, charger.transaction
        if wanted is None or transaction is None:
            self._set = None  # what was set runs out by itself
            return
        asked = (wanted[0], charger.one_phase, transaction.id)
        if asked == self._set and now_s < self._renew_at:
            return
        seconds = max(1, round(wanted[1]))
        requests = self._dialect.limit(charger, wanted[0], seconds, charger.clock.now())
        if await self._all_taken(requests):
            self._set, self._renew_at = asked, now_s + seconds / _RENEW
        elif charger.one_phase:  # that may be what it does not take
            charger.stays_on_its_phases()

    async def _let_go(self) -> None:
        """Nothing of ours stays in it, once."""
        charger = self._charger
        if not self._cleared:
            for request in self._dialect.clear(charger):
                await self.ask(request)
            self._cleared, self._has_safe, self._set = True, False, None

    async def _all_taken(self, requests: Sequence[Request]) -> bool:
        """In their order; after one that is refused no other is asked."""
        for request in requests:
            if not await self._taken(request):
                return False
        return True

    async def _taken(self, request: Request) -> bool:
        """Whether it takes the profile; after three refusals it is known that it does not."""
        answer = await self.ask(request)
        status: Any = (answer or {}).get("status")
        if status == "Accepted":
            self._refused = 0
            if not self._charger.takes_profiles:
                self._charger.takes_profiles = True
                log.info("%s takes a charging current again", self._charger.name)
            return True
        self._refused += 1
        if self._refused >= _REFUSED_MOST:
            self._again_at = self._charger.clock.monotonic() + AGAIN_S
            self._refused = 0
            if self._charger.takes_profiles:
                self._charger.takes_profiles = False
                log.warning(
                    "%s takes no charging current (%s: %s); it is only read",
                    self._charger.name, request[0], printable(str(status)),
                )  # fmt: skip
        return False

    def _say(self, what: str, why: object) -> None:
        self._budget.say(
            logging.WARNING, f"%s: {what}", self._charger.name, printable(str(why), 300)
        )
