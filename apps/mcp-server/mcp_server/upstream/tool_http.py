"""HTTP calls of registered tools: to hosts that are allowed, or to the other services of the stack."""

from base64 import b64encode
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Literal, NamedTuple

import aiohttp
from aiohttp.abc import AbstractResolver
from pydantic_core import from_json, to_json
from yarl import URL

from mcp_server.upstream.answers import require_nothing, require_success, require_whole
from mcp_server.upstream.breaker import Breaker
from mcp_server.upstream.client import Request, Upstream
from mcp_server.upstream.errors import (
    CallRefusedError,
    UnreadableAnswerError,
    UpstreamFailedError,
    UpstreamRefusedError,
    UpstreamUnavailableError,
)
from mcp_server.upstream.hosts import AddressRefusedError, Allowlist, HostRefusedError, Origin, PinningResolver
from mcp_server.upstream.responses import describe, read_json, reason_of
from mcp_server.upstream.secrets import ToolSecrets
from nexus_chassis.http import AnswerTooLargeError, Connector, create_http_session, read_at_most

_CONNECT_SECONDS = 3
_MAX_REASON_BYTES = 16 * 1024
_ASKED: Mapping[str, str] = {
    "Accept": "application/json",
    "Accept-Encoding": "identity",
    "Cache-Control": "no-cache",
    "User-Agent": "nexus-mcp-server",
}

type Expected = Literal["object", "value", "nothing"]


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a tool sends to be let in: the secret `secret` in `header`, after `scheme` where there is one."""

    secret: str
    header: str
    scheme: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where a tool calls, and how.

    `service` is the name of a service of the stack, with a token that stands for the user and has `scopes`; without it
    `server` is the start of a URL outside, called with `credentials`.
    """

    tenant: str
    method: str
    server: str = ""
    service: str | None = None
    scopes: frozenset[str] = frozenset()
    credentials: Credentials | None = None
    timeout_seconds: float
    max_age_seconds: float
    expected: Expected
    breaker: Breaker = field(default_factory=Breaker)

    @property
    def name(self) -> str:
        """What the target is called in messages."""
        return self.service or Origin.parse(self.server).host


class Outgoing(NamedTuple):
    """What is sent: the path and the query, percent-encoded, and a body that becomes JSON where there is one."""

    path: str
    headers: Mapping[str, str]
    body: Any
    has_body: bool


class ToolHttp:
    """Makes the calls. The caller's own headers and token never go out."""

    def __init__(
        self,
        outside: aiohttp.ClientSession,
        allowlist: Allowlist,
        services: Mapping[str, Upstream],
        secrets: ToolSecrets,
    ) -> None:
        self._outside = outside
        self._allowlist = allowlist
        self._services = services
        self._secrets = secrets

    def check(self, target: Target) -> None:
        """Raise HostRefusedError for a target that may not be called."""
        if target.service is None:
            self._allowlist.require(Origin.parse(target.server))
        elif target.service not in self._services:
            raise HostRefusedError(f"there is no service {target.service!r}; there are {', '.join(self._services)}")

    async def send(self, target: Target, outgoing: Outgoing, request: Request) -> Any:  # noqa: ANN401  any JSON value
        """Call the target and return the JSON of its answer; None where nothing is expected.

        Raises:
            AgentFacingError: The call is not permitted; the server is away, failed, refused, or its answer is not usable.
        """
        try:
            self.check(target)
        except HostRefusedError as error:
            raise CallRefusedError(str(error)) from None
        way = await self._way(target, request)
        target.breaker.admit(target.name)
        try:
            answer = await self._exchange(way, target, outgoing, request)
        except (aiohttp.ClientError, TimeoutError, UnreadableAnswerError) as error:
            if isinstance(getattr(error, "os_error", None), AddressRefusedError):
                raise CallRefusedError(f"{target.name} has an address that may not be called") from None
            target.breaker.fail()
            raise UpstreamUnavailableError(target.name, describe(error)) from None
        target.breaker.succeed()
        return _accepted(target, answer)

    async def _way(self, target: Target, request: Request) -> "_Way":
        if target.service is not None:
            service = self._services[target.service]
            token = await service.tokens.token(request.principal, service.name, " ".join(sorted(target.scopes)))
            return _Way(service.session, service.url, {"Authorization": f"Bearer {token}"}, token)
        if target.credentials is None:
            return _Way(self._outside, target.server, {}, "")
        secret = await self._secrets.read(target.tenant, target.name, target.credentials.secret)
        return _Way(self._outside, target.server, _authorization(target.credentials, secret), secret)

    async def _exchange(self, way: "_Way", target: Target, outgoing: Outgoing, request: Request) -> "_Answer":
        headers = {**outgoing.headers, **_ASKED, **way.headers}
        if outgoing.has_body:
            headers["Content-Type"] = "application/json"
        async with way.session.request(
            target.method,
            URL(way.server + outgoing.path, encoded=True),
            data=to_json(outgoing.body) if outgoing.has_body else None,
            headers=headers,
            timeout=aiohttp.ClientTimeout(total=target.timeout_seconds, connect=_CONNECT_SECONDS),
            allow_redirects=False,
        ) as response:
            if response.status >= HTTPStatus.BAD_REQUEST:
                return _Answer(response.status, await _read_reason(response, way.secret))
            if target.expected == "nothing":
                require_nothing(response, target.max_age_seconds)
                return _Answer(response.status, None)
            require_success(response, target.max_age_seconds)
            require_whole(response)
            content = await _read_content(response, request, way.secret)
            if target.expected == "object" and not isinstance(content, dict):
                raise UnreadableAnswerError("its answer is no JSON object")
            return _Answer(response.status, content)


class _Way(NamedTuple):
    session: aiohttp.ClientSession
    server: str
    headers: Mapping[str, str]
    secret: str


class _Answer(NamedTuple):
    status: int
    content: Any


def _authorization(credentials: Credentials, secret: str) -> Mapping[str, str]:
    value = b64encode(secret.encode()).decode() if credentials.scheme == "Basic" else secret
    return {credentials.header: f"{credentials.scheme} {value}".strip()}


async def _read_content(response: aiohttp.ClientResponse, request: Request, secret: str) -> Any:  # noqa: ANN401  any JSON value
    content = await read_json(response, request.reserve)
    if secret and _repeats(content, secret):
        raise UnreadableAnswerError("its answer repeats the secret that was sent to it")
    return content


def _repeats(content: object, secret: str) -> bool:
    """Whether a text in a JSON value has the secret in it: agents must not learn it."""
    values: list[object] = [content]
    while values:
        value = values.pop()
        if isinstance(value, dict):
            values += [*value, *value.values()]
        elif isinstance(value, list):
            values += value
        elif isinstance(value, str) and secret in value:
            return True
    return False


async def _read_reason(response: aiohttp.ClientResponse, secret: str) -> str:
    """Return why a server refuses or failed, where it says so in JSON."""
    reason = reason_of(None)
    with suppress(aiohttp.ClientError, AnswerTooLargeError, ValueError):
        reason = reason_of(from_json(await read_at_most(response, _MAX_REASON_BYTES)))
    return reason.replace(secret, "***") if secret else reason


def _accepted(target: Target, answer: _Answer) -> Any:  # noqa: ANN401  any JSON value
    if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise UpstreamFailedError(target.name, answer.status, answer.content)
    if answer.status >= HTTPStatus.BAD_REQUEST:
        raise UpstreamRefusedError(target.name, answer.status, answer.content)
    return answer.content


def create_outside_session(
    allowlist: Allowlist, connections: int, resolver: AbstractResolver | None = None
) -> aiohttp.ClientSession:
    """Return a session for hosts outside the stack; names are resolved by `resolver`, if it is given."""
    connector = Connector(connections=connections, resolver=PinningResolver(allowlist, resolver), use_dns_cache=False)
    return create_http_session(connector=connector, auto_decompress=False)
