"""Problems of any request: who may make it, how often, and whether it can be answered now."""

from starlette.requests import ClientDisconnect

from nexus_chassis.errors import RedisUnavailableError
from nexus_chassis.problems import Problem, ProblemMap
from nexus_chassis.tokens import forbidden, unauthorized
from nexus_gateway.auth.errors import (
    ForeignRequestError,
    InsufficientScopeError,
    PlatformOnlyError,
    RateLimitedError,
    SessionEndedError,
    UnknownHostError,
)
from nexus_gateway.problems.wording import STATUS_HINT, retry_after


def _rate_limited(error: RateLimitedError) -> Problem:
    detail = f"The limit {error.limit!r} is used up. Try again in {error.retry_after} s."
    headers = {**error.headers, **retry_after(error.retry_after)}
    return Problem(
        429,
        "rate-limited",
        "Too many requests",
        detail,
        headers=headers,
        limit=error.limit,
        retry_after=error.retry_after,
    )


def _session_ended(_: SessionEndedError) -> Problem:
    return unauthorized("its session was ended")


def _insufficient_scope(error: InsufficientScopeError) -> Problem:
    return forbidden(error.missing)


def _platform_only(_: PlatformOnlyError) -> Problem:
    detail = "Only administrators of the tenant default may do this. Ask one of them."
    return Problem(403, "platform-only", "This concerns all tenants", detail)


def _unknown_host(error: UnknownHostError) -> Problem:
    detail = f"Found {error.host!r:.200}. Open {error.address}, or add the host to NEXUS_ALLOWED_HOSTS."
    return Problem(421, "unknown-host", "This host name is not served", detail)


def _foreign_request(error: ForeignRequestError) -> Problem:
    detail = f"The request was not made: {error.reason}. Reload the page and try again."
    return Problem(403, "csrf", "The request did not come from a page of the gateway", detail)


def _redis_unavailable(_: RedisUnavailableError) -> Problem:
    detail = f"Sessions and channels cannot be read now. Try again in a few seconds. {STATUS_HINT}"
    return Problem(503, "store-unavailable", "The gateway is degraded", detail, headers=retry_after(5))


def _client_left(_: ClientDisconnect) -> Problem:
    return Problem(499, "client-left", "The client left", "The connection was closed before the answer.")


REQUESTS: ProblemMap = (
    (RateLimitedError, _rate_limited),
    (SessionEndedError, _session_ended),
    (InsufficientScopeError, _insufficient_scope),
    (PlatformOnlyError, _platform_only),
    (UnknownHostError, _unknown_host),
    (ForeignRequestError, _foreign_request),
    (RedisUnavailableError, _redis_unavailable),
    (ClientDisconnect, _client_left),
)
