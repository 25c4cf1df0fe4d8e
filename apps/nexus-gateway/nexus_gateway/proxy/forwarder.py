"""The proxy: passes requests on to the services, and streams long bodies both ways."""

from collections.abc import Callable
from functools import cache

import aiohttp
from starlette.requests import Request
from starlette.responses import Response
from yarl import URL

from nexus_chassis.tokens import Principal
from nexus_gateway.auth.errors import InsufficientScopeError
from nexus_gateway.proxy.answers import SMALL_ANSWER_BYTES, StreamedAnswer, WholeAnswer
from nexus_gateway.proxy.bodies import RequestBody
from nexus_gateway.proxy.disconnects import UntilDisconnect
from nexus_gateway.proxy.errors import UpstreamTimeoutError, UpstreamUnavailableError
from nexus_gateway.proxy.headers import request_headers, response_headers
from nexus_gateway.proxy.paths import upstream_url
from nexus_gateway.proxy.routes import Route
from nexus_gateway.proxy.streams import Streams

_CONNECT_SECONDS = 2.0
OWN_HEADERS = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")
"""What the HTTP session must not add by itself."""

type IssueToken = Callable[[Principal, str], str]
"""The token that goes with a principal's requests to the service of that name."""


class Forwarder:
    """Passes requests on with a token of their own; the client's token goes no further than the gateway.

    `http` must add none of OWN_HEADERS, and not decompress.
    """

    def __init__(self, http: aiohttp.ClientSession, issue_token: IssueToken) -> None:
        self._http = http
        self._issue_token = issue_token
        self._streams = Streams()

    async def forward(self, request: Request, route: Route, principal: Principal) -> Response:
        """The service's answer.

        Raises InsufficientScopeError, the errors of `proxy.errors`, Problem 413, and ClientDisconnect.
        """
        if principal.scopes.isdisjoint(route.scopes):
            raise InsufficientScopeError(route.scopes)
        scope = request.scope
        url = upstream_url(route, scope["raw_path"], scope["query_string"])
        token = self._issue_token(principal, route.service)
        headers = request_headers(scope["headers"], token, scope["client"][0])
        body = await RequestBody.receive(request, route.body_limit)
        if body is None or body.is_whole:
            answer, content = await self._send(request, route, url, headers, body)
        else:
            with self._streams.one_of(principal.subject):
                answer, content = await self._send(request, route, url, headers, body)
        passed = response_headers(answer.raw_headers, route.prefix, route.upstream)
        if content is not None:
            return WholeAnswer(content, answer.status, passed)
        return StreamedAnswer(answer, passed, self._streams.one_of(principal.subject))

    async def _send(
        self, request: Request, route: Route, url: URL, headers: list[tuple[str, str]], body: RequestBody | None
    ) -> tuple[aiohttp.ClientResponse, bytes | None]:
        """The service's answer, and its content where that is small."""
        try:
            async with UntilDisconnect(request.receive, None if body is None else body.received):
                answer = await self._http.request(
                    request.method,
                    url,
                    headers=headers,
                    data=None if body is None else body.data(),
                    allow_redirects=False,
                    timeout=_timeout(route.timeout),
                )
                return answer, await answer.read() if _is_small(answer) else None
        except (aiohttp.ClientError, OSError) as error:
            if body is not None and body.fault is not None:
                raise body.fault from error
            raise _failure(route, error) from error


@cache
def _timeout(seconds: float) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(connect=seconds, sock_connect=_CONNECT_SECONDS, sock_read=seconds)


def _is_small(answer: aiohttp.ClientResponse) -> bool:
    length = answer.content_length
    return answer.content.at_eof() or (length is not None and length <= SMALL_ANSWER_BYTES)


def _failure(route: Route, error: Exception) -> UpstreamTimeoutError | UpstreamUnavailableError:
    failure = UpstreamTimeoutError if isinstance(error, TimeoutError) else UpstreamUnavailableError
    return failure(route.service)
