"""The proxy: passes requests on to the services, and streams long bodies both ways."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import aiohttp
from starlette.requests import Request
from starlette.responses import Response
from yarl import URL

from nexus_chassis.tokens import Principal
from nexus_gateway.auth.client_address import client_address
from nexus_gateway.auth.errors import InsufficientScopeError
from nexus_gateway.proxy.answers import SMALL_ANSWER_BYTES, StreamedAnswer, WholeAnswer
from nexus_gateway.proxy.bodies import RequestBody
from nexus_gateway.proxy.connections import BrokenConnectionError, avoid_last_peer
from nexus_gateway.proxy.deadlines import Deadline, client_deadline
from nexus_gateway.proxy.disconnects import UntilDisconnect
from nexus_gateway.proxy.headers import request_headers, response_headers
from nexus_gateway.proxy.paths import upstream_url
from nexus_gateway.proxy.routes import Route
from nexus_gateway.proxy.streams import Streams
from nexus_gateway.proxy.upstreams import Upstream, Upstreams

_CONNECT_SECONDS = 2.0
_RECONNECT_SECONDS = 0.1
_FINAL = 200  # statuses below are no answers

type IssueToken = Callable[[Principal, str], str]
"""The token that goes with a principal's requests to the service of that name."""

type _Answer = tuple[aiohttp.ClientResponse, bytes | None]
"""A service's answer, and its content where that is small."""


@dataclass(frozen=True, slots=True)
class _Call:
    """A request to a service, as often as it is sent."""

    request: Request
    route: Route
    upstream: Upstream
    url: URL
    headers: list[tuple[str, str]]
    body: RequestBody | None
    deadline: Deadline

    @property
    def is_whole(self) -> bool:
        """Whether all of its body is at hand."""
        return self.body is None or self.body.is_whole

    @property
    def is_late_by_client(self) -> bool:
        """Whether the client is the reason why there is no time left: it waits no longer, or is still sending."""
        return self.deadline.is_clients or (not self.is_whole and self.deadline.remaining() == 0)


class Forwarder:
    """Passes requests on with a token of their own; the client's token goes no further than the gateway.

    `http` comes from `create_upstream_session`.
    """

    def __init__(self, http: aiohttp.ClientSession, issue_token: IssueToken) -> None:
        self._http = http
        self._issue_token = issue_token
        self._upstreams = Upstreams()
        self._streams = Streams()

    async def forward(self, request: Request, route: Route, principal: Principal) -> Response:
        """The service's answer.

        Raises InsufficientScopeError, the errors of `proxy.errors`, Problem 413, and ClientDisconnect.
        """
        if principal.scopes.isdisjoint(route.scopes):
            raise InsufficientScopeError(route.scopes)
        call = await self._prepare(request, route, principal)
        if call.is_whole:
            answer, content = await self._answer(call)
        else:
            with self._streams.one_of(principal.subject):
                answer, content = await self._answer(call)
        headers = response_headers(answer, route)
        if content is not None:
            return WholeAnswer(content, answer.status, headers)
        return StreamedAnswer(answer, headers, self._streams.one_of(principal.subject), call.upstream)

    async def _prepare(self, request: Request, route: Route, principal: Principal) -> _Call:
        """The call, once its body was received or has begun to be."""
        scope = request.scope
        route = route.of(scope)
        url = upstream_url(route, scope["raw_path"], scope["query_string"])
        client = client_deadline(scope)
        headers = request_headers(scope, self._issue_token(principal, route.service), client_address(request))
        body = await RequestBody.receive(request, route.body_limit)
        # How fast a body must arrive is up to the server; the service's own time begins when it has all of it.
        deadline = Deadline(route.timeout if body is None or body.is_whole else route.upload_timeout, client)
        return _Call(request, route, self._upstreams.of(route), url, headers, body, deadline)

    async def _answer(self, call: _Call) -> _Answer:
        began = call.upstream.admit()
        body = call.body
        try:
            async with UntilDisconnect(
                call.request.receive, None if body is None else body.received, call.deadline.remaining()
            ):
                found = await self._send_twice(call)
        except (aiohttp.ClientError, OSError) as error:
            if body is not None and body.fault is not None:
                raise body.fault from error
            raise call.upstream.failure(error, blameless=call.is_late_by_client) from error
        call.upstream.succeed(began)
        return found

    async def _send_twice(self, call: _Call) -> _Answer:
        """The answer to the first attempt, or where the request may be sent again, to the second."""
        try:
            return await self._send(call)
        except (aiohttp.ClientConnectorError, BrokenConnectionError) as error:
            if not call.upstream.may_retry(call.request.method, error, whole=call.is_whole):
                raise
            if isinstance(error, aiohttp.ClientConnectorError):
                await asyncio.sleep(_RECONNECT_SECONDS)  # all replicas refused: one may be about to start
        avoid_last_peer()
        return await self._send(call)

    async def _send(self, call: _Call) -> _Answer:
        remaining = call.deadline.remaining()
        answer = await self._http.request(
            call.request.method,
            call.url,
            headers=call.headers if remaining is None else [*call.headers, ("request-timeout", f"{remaining:.3f}")],
            data=None if call.body is None else call.body.data(),
            allow_redirects=False,
            timeout=_timeout(call.route.timeout),
        )
        if answer.status < _FINAL:
            answer.close()
            raise aiohttp.ClientError(f"{answer.status} is no answer")
        return answer, await answer.read() if _is_small(answer) else None


@cache
def _timeout(seconds: float) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(connect=seconds, sock_connect=_CONNECT_SECONDS, sock_read=seconds)


def _is_small(answer: aiohttp.ClientResponse) -> bool:
    length = answer.content_length
    return answer.content.at_eof() or (length is not None and length <= SMALL_ANSWER_BYTES)
