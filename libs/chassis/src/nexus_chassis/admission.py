"""Admission: how many requests run at once, how many wait, and how many bytes their bodies take."""

import asyncio
from collections import Counter, deque
from contextlib import suppress
from typing import TYPE_CHECKING

from starlette.requests import HTTPConnection

from nexus_chassis.limits import SMALL_BODY_BYTES, Limits
from nexus_chassis.problems import Problem

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

ANSWER_TAKEN = "nexus.answer_taken"
"""Key of a scope: a coroutine function that returns once the client has taken its answer, or is gone."""

_HEALTH = frozenset({"/livez", "/readyz", "/health"})
_TICKET = "nexus.ticket"
_RETRY = {"Retry-After": "2"}


class Admission:
    """Counts what runs in one worker process."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.websockets = 0
        self._running = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._by_principal: Counter[str] = Counter()
        self._bytes = _ByteBudget(limits)

    async def enter(self) -> "Ticket":
        """Admit a request, after a wait if many run; raises Problem 503 when too many wait or the wait is too long."""
        if self._running < self.limits.running:
            self._running += 1
            return Ticket(self)
        if len(self._waiting) >= self.limits.waiting:
            raise _overloaded()
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            async with asyncio.timeout(self.limits.wait_seconds):
                await turn
        except BaseException as error:
            self._give_up(turn)
            if isinstance(error, TimeoutError):
                raise _overloaded() from None
            raise
        return Ticket(self)

    def _give_up(self, turn: asyncio.Future[None]) -> None:
        if turn.done() and not turn.cancelled():
            self.leave()  # the turn came in the same moment
        else:
            with suppress(ValueError):  # it was taken out already
                self._waiting.remove(turn)

    def leave(self) -> None:
        """End a request: the one that waits longest takes its turn."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._running -= 1

    def add(self, principal: str) -> None:
        """Count a request of `principal`; raises Problem 429 above its share."""
        if self._by_principal[principal] >= self.limits.principal_running:
            raise _too_many(f"You have {self.limits.principal_running} requests in flight. Wait for answers first.")
        self._by_principal[principal] += 1

    def remove(self, principal: str) -> None:
        """Count a request of `principal` as ended."""
        self._by_principal[principal] -= 1
        if self._by_principal[principal] <= 0:
            del self._by_principal[principal]

    async def reserve(self, principal: str, size: int) -> None:
        """Reserve bytes for a body, after a wait if need be; raises Problem 413, 429 or 503."""
        await self._bytes.reserve(principal, size)

    def release(self, principal: str, size: int) -> None:
        """Give back reserved bytes."""
        self._bytes.release(principal, size)


class _ByteBudget:
    """Bytes of request bodies in memory, in all and by principal."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._used = 0
        self._by_principal: Counter[str] = Counter()
        self._changed = asyncio.Condition()

    async def reserve(self, principal: str, size: int) -> None:
        if size > self._share:
            raise body_too_large(self._share)
        try:
            async with asyncio.timeout(self._limits.wait_seconds), self._changed:
                await self._changed.wait_for(lambda: self._fits(principal, size))
                self._used += size
                self._by_principal[principal] += size
        except TimeoutError:
            if self._by_principal[principal] + size > self._share:
                raise _too_many("Your other requests take all the memory that one caller gets.") from None
            raise _overloaded() from None

    @property
    def _share(self) -> int:
        return self._limits.body_bytes // 2

    def _fits(self, principal: str, size: int) -> bool:
        return self._used + size <= self._limits.body_bytes and self._by_principal[principal] + size <= self._share

    def release(self, principal: str, size: int) -> None:
        self._used -= size
        self._by_principal[principal] -= size
        if self._by_principal[principal] <= 0:
            del self._by_principal[principal]
        if size:
            task = asyncio.get_running_loop().create_task(self._notify())
            task.add_done_callback(lambda _: None)

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()


class Ticket:
    """The place of one request among those in flight."""

    __slots__ = ("_admission", "_closed", "_principal", "_reserved")

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self._principal: str | None = None
        self._reserved: list[tuple[str, int]] = []
        self._closed = False

    def assign(self, principal: str) -> None:
        """Count the request as one of `principal`; raises Problem 429 above its share."""
        if self._principal is None:
            self._admission.add(principal)
            self._principal = principal

    async def reserve(self, size: int) -> None:
        """Reserve the memory of a body of `size` bytes until the request ends; raises Problem 413, 429 or 503."""
        if size > SMALL_BODY_BYTES:
            owner = self._principal or ""
            await self._admission.reserve(owner, size)
            self._reserved.append((owner, size))

    def close(self) -> None:
        """End the request, once: a stream that lasts does so itself, so that it takes no other request's place."""
        if self._closed:
            return
        self._closed = True
        for owner, size in self._reserved:
            self._admission.release(owner, size)
        if self._principal is not None:
            self._admission.remove(self._principal)
        self._admission.leave()


def ticket_of(connection: HTTPConnection) -> Ticket | None:
    """The ticket of a request; None for connections that are not counted as requests, such as WebSockets."""
    ticket: Ticket | None = connection.scope.get(_TICKET)
    return ticket


class AdmissionMiddleware:
    """Admits each connection within the limits. Health routes are always admitted."""

    def __init__(self, app: "ASGIApp", admission: Admission) -> None:
        self._app = app
        self._admission = admission

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Serve one connection."""
        if scope["type"] == "websocket":
            await self._serve_websocket(scope, receive, send)
        elif scope["type"] != "http" or scope["path"] in _HEALTH:
            await self._app(scope, receive, send)
        else:
            await self._serve_request(scope, receive, send)

    async def _serve_request(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        try:
            ticket = await self._admission.enter()
        except Problem as problem:
            await problem.response()(scope, receive, send)
            return
        scope[_TICKET] = ticket
        try:
            await self._app(scope, receive, send)
            await scope[ANSWER_TAKEN]()  # until then the answer is in memory
        finally:
            ticket.close()

    async def _serve_websocket(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        if self._admission.websockets >= self._admission.limits.websockets:
            await _overloaded().response()(scope, receive, send)  # Starlette sends it as a denial response
            return
        self._admission.websockets += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._admission.websockets -= 1


def body_too_large(limit: int) -> Problem:
    """413 for a body above `limit` bytes."""
    detail = f"At most {limit} bytes are accepted here. Send the content in parts."
    return Problem(413, "body-too-large", "The request body is too large", detail, limit=limit)


def _overloaded() -> Problem:
    detail = "The service has more requests than it can take now. Try again in a few seconds."
    return Problem(503, "overloaded", "The service is overloaded", detail, headers=_RETRY)


def _too_many(detail: str) -> Problem:
    return Problem(429, "too-many-requests", "Too many requests at once", detail, headers=_RETRY)
