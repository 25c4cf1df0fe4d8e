"""Errors of the OAuth endpoints."""

from collections.abc import Iterable


class OAuthError(Exception):
    """An error of RFC 6749 section 5.2 or RFC 8693 section 2.2.2: `error` is its code, `description` its text."""

    def __init__(self, error: str, description: str) -> None:
        self.error = error
        self.description = description
        super().__init__(description)


class UnknownAudienceError(Exception):
    """No service has this name; `known` are those that tokens are issued for."""

    def __init__(self, audience: str, known: Iterable[str]) -> None:
        self.audience = audience
        self.known = sorted(known)
        super().__init__(f"unknown audience {audience!r}")


class InvalidScopeError(Exception):
    """A text is no scope token (RFC 6749 section 3.3)."""

    def __init__(self, scope: str) -> None:
        self.scope = scope
        super().__init__(f"{scope!r} is no scope")
