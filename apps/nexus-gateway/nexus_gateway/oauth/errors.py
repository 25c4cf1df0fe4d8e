"""Errors of the OAuth endpoints."""

import re
from collections.abc import Iterable

from authlib.oauth2 import OAuth2Error

_NOT_ALLOWED = re.compile(r"[^\x20-\x21\x23-\x5b\x5d-\x7e]")  # in a description (RFC 6749 section 5.2)


class OAuthError(OAuth2Error):
    """An error of RFC 6749 section 5.2, or of an extension: `error` is its code, `description` its text."""

    def __init__(self, error: str, description: str, *, redirect_uri: str | None = None) -> None:
        super().__init__(_NOT_ALLOWED.sub("?", description), error=error, redirect_uri=redirect_uri)


class RefusedAuthorizationError(Exception):
    """An authorization request whose redirect URI cannot be trusted: its user reads why, and is not sent anywhere.

    RFC 6749 section 4.1.2.1.
    """


class ReplayedCodeError(Exception):
    """An authorization code was presented again; `session` is what it began, if it did, of the user `user`."""

    def __init__(self, user: str, session: str | None) -> None:
        self.user = user
        self.session = session
        super().__init__("the code was presented before")


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


class ClientExistsError(Exception):
    """A client with this id exists."""

    def __init__(self, client_id: str) -> None:
        self.client_id = client_id
        super().__init__(f"the client {client_id} exists")


class UnknownClientError(Exception):
    """No stored client has this id."""

    def __init__(self, client_id: str) -> None:
        self.client_id = client_id
        super().__init__(f"there is no client {client_id}")


class UnknownClientTenantError(Exception):
    """No tenant has this id."""

    def __init__(self, tenant: str) -> None:
        self.tenant = tenant
        super().__init__(f"there is no tenant {tenant}")


class RegistrationOffError(Exception):
    """Clients cannot register themselves here."""


class RegistrationsFullError(Exception):
    """As many clients have registered themselves as are kept; `retry_after` is in seconds."""

    def __init__(self, retry_after: int) -> None:
        self.retry_after = retry_after
        super().__init__("no more clients can register")


class InvalidClientDocumentError(Exception):
    """The document at a client's URL cannot be used; the text says why."""


class InvalidClientError(Exception):
    """A client that an administrator describes cannot be; the text says why and what to do."""
