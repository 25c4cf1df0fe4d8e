"""HTTP/1.1 connections with limits: how large a head may be, how slowly a request may arrive, an answer be taken."""

import asyncio
import json
from http import HTTPStatus
from typing import Any, override

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from nexus_chassis.admission import ANSWER_TAKEN
from nexus_chassis.drain import Drain
from nexus_chassis.limits import KIB, MIB
from nexus_chassis.problems import MEDIA_TYPE, Problem

MAX_HEAD_BYTES = 64 * KIB
MAX_HEADERS = 100
MAX_CONNECTIONS = 4096
HEAD_SECONDS = 15.0
"""From a connection's first byte, or its beginning, to the end of the request's head."""

BODY_SECONDS = 10.0
"""A body is looked at every so many seconds: since the last look it must have brought MIN_RATE bytes a second."""

MIN_RATE = 1 * KIB
ANSWER_SECONDS = 60.0
"""An answer that waits for its client is looked at every so many seconds: MIN_RATE holds for it as well."""

MAX_UNSENT_BYTES = 64 * MIB
"""Bytes of answers that wait for their clients, in all; above it the connections that wait longest are cut."""

LINGER_SECONDS = 1.0
_FRAMING_BYTES = 16 * KIB
_FRAMING_RATIO = 8  # a chunk of one byte takes six, and some clients add an extension
_VERSIONS = frozenset({"1.0", "1.1"})


class ConnectionState(ServerState):
    """What the connections of one server share."""

    def __init__(self, drain: Drain) -> None:
        super().__init__()
        self.drain = drain


class BoundedProtocol(HttpToolsProtocol):
    """One connection. A request that breaks a limit is refused with a problem, and the connection is closed."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._deadline: asyncio.TimerHandle | None = None
        self._answer_deadline: asyncio.TimerHandle | None = None
        self.waits_since = 0.0
        self._refusal: Problem | None = None
        self._in_head = True
        self._in_body = False
        self._head_bytes = 0
        self._raw_bytes = 0
        self._body_bytes = 0
        self._seen_bytes = 0
        self._upgraded = False
        self._refused = False

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        if len(self.connections) > MAX_CONNECTIONS:
            self._refuse(_problem(503, "overloaded", "There are too many connections. Try again in a few seconds."))
            return
        self._deadline = self.loop.call_later(HEAD_SECONDS, self._head_is_late)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel_deadline()
        self._cancel_answer_deadline()
        super().connection_lost(exc)

    @override
    def pause_writing(self) -> None:
        super().pause_writing()
        self.waits_since = self.loop.time()
        self._look_later(self.unsent)
        self._cut_slow_readers()

    @override
    def resume_writing(self) -> None:
        self._cancel_answer_deadline()
        super().resume_writing()

    @property
    def unsent(self) -> int:
        """Bytes of answers that wait for the client."""
        return self.transport.get_write_buffer_size()

    def _look_later(self, unsent: int) -> None:
        self._answer_deadline = self.loop.call_later(ANSWER_SECONDS, self._look_at_answer, unsent)

    def _look_at_answer(self, unsent_before: int) -> None:
        unsent = self.unsent
        if unsent_before - unsent < MIN_RATE * ANSWER_SECONDS:
            self.transport.abort()
        else:
            self._look_later(unsent)

    def _cancel_answer_deadline(self) -> None:
        if self._answer_deadline is not None:
            self._answer_deadline.cancel()
            self._answer_deadline = None

    def _cut_slow_readers(self) -> None:
        waiting = [
            other for other in self.connections if isinstance(other, BoundedProtocol) and other.flow.write_paused
        ]
        unsent = sum(other.unsent for other in waiting)
        for other in sorted(waiting, key=lambda other: other.waits_since):
            if unsent <= MAX_UNSENT_BYTES:
                return
            unsent -= other.unsent
            other.transport.abort()

    @override
    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        self._raw_bytes += len(data)
        super().data_received(data)
        if self._done or self.transport.is_closing():
            return
        if self._in_head:
            self._check_head()
        elif self._in_body:
            self._check_body()
        else:
            self._cancel_deadline()

    @property
    def _done(self) -> bool:
        return self._refused or self._upgraded

    def _check_head(self) -> None:
        if self._raw_bytes > MAX_HEAD_BYTES:
            self._refuse(_head_too_large())
        elif self._deadline is None and self._raw_bytes:
            self._deadline = self.loop.call_later(HEAD_SECONDS, self._head_is_late)

    def _check_body(self) -> None:
        framing = self._raw_bytes - self._head_bytes - self._body_bytes
        if framing > _FRAMING_BYTES + _FRAMING_RATIO * self._body_bytes:
            self._refuse(_problem(400, "bad-chunks", "The chunks of the body have too much besides their content."))
        elif self._deadline is None:
            self._seen_bytes = 0
            self._deadline = self.loop.call_later(BODY_SECONDS, self._look_at_body)

    def _cancel_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _head_is_late(self) -> None:
        if self._raw_bytes:
            self._refuse(_problem(408, "request-timeout", f"The head took longer than {HEAD_SECONDS:g} s to arrive."))
        else:
            self.transport.close()  # nothing was asked, so nothing is answered

    def _look_at_body(self) -> None:
        arrived = self._body_bytes - self._seen_bytes
        if arrived < MIN_RATE * BODY_SECONDS and not self.flow.read_paused:
            self._refuse(_problem(408, "request-timeout", f"The body arrives slower than {MIN_RATE} bytes a second."))
            return
        self._seen_bytes = self._body_bytes
        self._deadline = self.loop.call_later(BODY_SECONDS, self._look_at_body)

    @override
    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope[ANSWER_TAKEN] = self.flow.drain  # type: ignore[literal-required]
        self._in_head = True
        self._head_bytes = 0

    @override
    def on_url(self, url: bytes) -> None:
        self._count_head(len(url))
        super().on_url(url)

    @override
    def on_header(self, name: bytes, value: bytes) -> None:
        self._count_head(len(name) + len(value))
        super().on_header(name, value.strip(b" \t"))  # RFC 9110 section 5.5

    def _count_head(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > MAX_HEAD_BYTES or len(self.headers) >= MAX_HEADERS:
            self._stop_parsing(_head_too_large())

    @override
    def on_headers_complete(self) -> None:
        self._check_hosts()
        self._in_head = False
        self._in_body = True
        self._body_bytes = 0
        self._cancel_deadline()
        super().on_headers_complete()
        if self._draining and not self.parser.should_upgrade():
            self.cycle.keep_alive = False

    def _check_hosts(self) -> None:
        """RFC 9112 section 3.2: a request of HTTP/1.1 has one Host."""
        version = self.parser.get_http_version()
        hosts = [value for name, value in self.headers if name == b"host"]
        if version not in _VERSIONS:
            self._stop_parsing(_problem(400, "bad-request", "The request is not of HTTP/1.1 or HTTP/1.0."))
        if len(hosts) > 1 or (version == "1.1" and not hosts):
            self._stop_parsing(_problem(400, "bad-request", f"The request has {len(hosts)} Host headers. Send one."))

    @property
    def _draining(self) -> bool:
        return isinstance(self.server_state, ConnectionState) and self.server_state.drain.started

    @override
    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        super().on_body(body)

    @override
    def on_message_complete(self) -> None:
        self._in_body = False
        self._raw_bytes = 0
        super().on_message_complete()

    @override
    def handle_websocket_upgrade(self) -> None:
        self._upgraded = True
        self._cancel_deadline()
        super().handle_websocket_upgrade()

    def _stop_parsing(self, problem: Problem) -> None:
        self._refusal = problem
        raise ValueError(problem.detail)  # the parser ends with an error, and send_400_response is called

    @override
    def send_400_response(self, msg: str) -> None:
        self._refuse(self._refusal or _problem(400, "bad-request", "The request is not valid HTTP/1.1."))

    def _refuse(self, problem: Problem) -> None:
        """Answer instead of the application, unless it has begun to answer, and close.

        What the client still sends is discarded for a moment: closing at once would reset the connection, and the answer
        with it.
        """
        self._refused = True
        self._cancel_deadline()
        self._unset_keepalive_if_required()
        cycle: RequestResponseCycle | None = self.cycle  # None before the first request
        if cycle is None or cycle.response_complete or not cycle.response_started:
            self.transport.write(_response(problem))
        if cycle is not None and not cycle.response_complete:
            cycle.disconnected = True
            cycle.message_event.set()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.loop.call_later(LINGER_SECONDS, self.transport.close)


def _problem(status: int, slug: str, detail: str) -> Problem:
    return Problem(status, slug, HTTPStatus(status).phrase, detail)


def _head_too_large() -> Problem:
    detail = f"The head has more than {MAX_HEAD_BYTES} bytes or more than {MAX_HEADERS} headers. Send less."
    return _problem(431, "head-too-large", detail)


def _response(problem: Problem) -> bytes:
    body = json.dumps(problem.body()).encode()
    phrase = HTTPStatus(problem.status).phrase
    retry = "Retry-After: 5\r\n" if problem.status == HTTPStatus.SERVICE_UNAVAILABLE else ""
    head = (
        f"HTTP/1.1 {problem.status} {phrase}\r\nContent-Type: {MEDIA_TYPE}\r\n"
        f"Content-Length: {len(body)}\r\n{retry}Connection: close\r\n\r\n"
    )
    return head.encode() + body
