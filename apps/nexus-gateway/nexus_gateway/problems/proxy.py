"""Problems of requests to the services."""

from nexus_chassis.problems import Problem, ProblemMap
from nexus_gateway.problems.wording import STATUS_HINT, retry_after
from nexus_gateway.proxy.errors import (
    AmbiguousPathError,
    InvalidTimeoutError,
    TooManyStreamsError,
    UpstreamBrokenError,
    UpstreamOpenError,
    UpstreamTimeoutError,
    UpstreamUnavailableError,
)


def _ambiguous_path(error: AmbiguousPathError) -> Problem:
    detail = (
        f"Found {error.path!r:.200}. Write {error.prefix}/ without percent escapes, "
        "and no '.', '..', backslash or encoded slash in the rest."
    )
    return Problem(400, "ambiguous-path", "The path is ambiguous", detail)


def _invalid_timeout(error: InvalidTimeoutError) -> Problem:
    detail = f"Found Request-Timeout {error.text!r:.100}. Send one number of seconds, such as 2.5."
    return Problem(400, "invalid-timeout", "The time limit is not valid", detail)


def _too_many_streams(error: TooManyStreamsError) -> Problem:
    detail = f"You have {error.limit} long uploads or downloads on their way. Wait until one of them has ended."
    return Problem(429, "too-many-streams", "Too many streams at once", detail, headers=retry_after(5))


def _upstream_timeout(error: UpstreamTimeoutError) -> Problem:
    detail = f"{error.service} did not answer in time. Try again later. {STATUS_HINT}"
    return Problem(504, "upstream-timeout", "A service took too long", detail, service=error.service)


def _upstream_unavailable(error: UpstreamUnavailableError) -> Problem:
    detail = f"{error.service} cannot be reached. Try again in a few seconds. {STATUS_HINT}"
    headers = retry_after(5)
    return Problem(502, "upstream-unavailable", "A service is away", detail, headers=headers, service=error.service)


def _upstream_broken(error: UpstreamBrokenError) -> Problem:
    detail = (
        f"{error.service} broke off before its answer was complete. It may have done what you asked: "
        f"look before you try again. {STATUS_HINT}"
    )
    return Problem(502, "upstream-broken", "A service broke off", detail, service=error.service)


def _upstream_open(error: UpstreamOpenError) -> Problem:
    detail = (
        f"{error.service} did not answer the last requests, so this one was not sent. "
        f"Try again in {error.retry_after} s. {STATUS_HINT}"
    )
    headers = retry_after(error.retry_after)
    return Problem(503, "upstream-open", "A service is away", detail, headers=headers, service=error.service)


PROXY: ProblemMap = (
    (AmbiguousPathError, _ambiguous_path),
    (InvalidTimeoutError, _invalid_timeout),
    (TooManyStreamsError, _too_many_streams),
    (UpstreamTimeoutError, _upstream_timeout),
    (UpstreamUnavailableError, _upstream_unavailable),
    (UpstreamBrokenError, _upstream_broken),
    (UpstreamOpenError, _upstream_open),
)
