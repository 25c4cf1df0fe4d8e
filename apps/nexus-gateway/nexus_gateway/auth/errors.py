"""Errors of authentication and authorisation."""

from collections.abc import Collection


class SessionEndedError(Exception):
    """The session that a token belongs to has ended, or its user's sessions were all ended."""


class InsufficientScopeError(Exception):
    """A principal lacks scopes; `missing` are those it needs, or of which it needs one."""

    def __init__(self, missing: Collection[str]) -> None:
        self.missing = frozenset(missing)
        super().__init__(f"lacks {' '.join(sorted(missing))}")


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
