"""Errors of authentication and authorisation."""

from collections.abc import Collection, Mapping


class SessionEndedError(Exception):
    """The session that a token belongs to has ended, or its user's sessions were all ended."""


class PasswordQueueFullError(Exception):
    """More passwords wait to be checked than can be checked soon; `retry_after` is in seconds."""

    retry_after = 1


class PlatformOnlyError(Exception):
    """Something that only administrators of the tenant `default` may do."""


class InsufficientScopeError(Exception):
    """A principal lacks scopes; `missing` are those it needs, or of which it needs one."""

    def __init__(self, missing: Collection[str]) -> None:
        self.missing = frozenset(missing)
        super().__init__(f"lacks {' '.join(sorted(missing))}")


class RateLimitedError(Exception):
    """Too many requests for `limit`; the next may be sent after `retry_after` seconds. `headers` describe the limit."""

    def __init__(self, limit: str, retry_after: int, headers: Mapping[str, str]) -> None:
        self.limit = limit
        self.retry_after = retry_after
        self.headers = headers
        super().__init__(f"the limit {limit!r} is used up")


class UnknownHostError(Exception):
    """A browser asked for a page by another host name; `address` is where the pages are."""

    def __init__(self, host: str, address: str) -> None:
        self.host = host
        self.address = address
        super().__init__(f"{host} is not served")


class ForeignRequestError(Exception):
    """A request that changes something came with a cookie, but not from a page of the gateway; `reason` says why."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)
