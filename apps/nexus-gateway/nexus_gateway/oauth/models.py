"""Clients, what users grant them, and the tokens that are issued."""

import hashlib
import hmac
import time
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import override
from uuid import UUID

from authlib.oauth2.rfc6749 import AuthorizationCodeMixin, ClientMixin, TokenMixin

from nexus_gateway.oauth.redirect_uris import is_registered, is_web


class GrantType(StrEnum):
    """The grants of the token endpoint."""

    AUTHORIZATION_CODE = "authorization_code"
    REFRESH_TOKEN = "refresh_token"  # noqa: S105  RFC 6749's name
    CLIENT_CREDENTIALS = "client_credentials"
    TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"  # noqa: S105  RFC 8693's name


class ClientKind(StrEnum):
    """Whether a client can keep a secret (RFC 6749 section 2.1)."""

    PUBLIC = "public"
    CONFIDENTIAL = "confidential"


class AuthMethod(StrEnum):
    """How a client authenticates (RFC 7591 section 2)."""

    NONE = "none"
    BASIC = "client_secret_basic"
    POST = "client_secret_post"


@dataclass(frozen=True, kw_only=True)
class Client(ClientMixin):
    """A client. `tenant` None means that users of every tenant may use it; `trusted` that nobody is asked for consent."""

    id: str
    name: str
    kind: ClientKind
    grant_types: frozenset[str]
    scopes: frozenset[str]
    audiences: frozenset[str]
    secret_hash: str | None = None
    redirect_uris: tuple[str, ...] = ()
    tenant: str | None = None
    trusted: bool = False
    created_at: datetime | None = None
    expires_at: datetime | None = None
    """When a client that registered itself is removed."""

    @property
    def is_public(self) -> bool:
        """Whether the client has no secret."""
        return self.kind is ClientKind.PUBLIC

    @property
    def epoch(self) -> int:
        """Which client of its id it is: higher than that of one that was removed before. In milliseconds since 1970."""
        return 0 if self.created_at is None else int(self.created_at.timestamp() * 1000)

    def remembers_consent(self, redirect_uri: str) -> bool:
        """Whether a consent given once counts again.

        Any program on the user's computer can claim to be a public client there (RFC 8252 section 8.6).
        """
        return not self.is_public or is_web(redirect_uri)

    @override
    def get_client_id(self) -> str:
        return self.id

    @override
    def get_default_redirect_uri(self) -> str:
        return self.redirect_uris[0] if len(self.redirect_uris) == 1 else ""

    @override
    def get_allowed_scope(self, scope: Collection[str] | str) -> str:
        """What authlib keeps of the request; `AuthorizationService` narrows it by audience and user."""
        return scope if isinstance(scope, str) else " ".join(scope or ())

    @override
    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return is_registered(redirect_uri, self.redirect_uris)

    @override
    def check_client_secret(self, client_secret: str) -> bool:
        return self.secret_hash is not None and hmac.compare_digest(hash_secret(client_secret), self.secret_hash)

    @override
    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return (method == AuthMethod.NONE) == self.is_public

    @override
    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code" and GrantType.AUTHORIZATION_CODE in self.grant_types

    @override
    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type in self.grant_types


@dataclass(frozen=True, slots=True)
class AuthorizationCode(AuthorizationCodeMixin):
    """What a code stands for. `scope` is what the user granted for `audience`."""

    client_id: str
    user: str
    redirect_uri: str
    redirect_uri_was_sent: bool
    scope: str
    audience: str
    code_challenge: str
    code_challenge_method: str = "S256"

    @override
    def get_redirect_uri(self) -> str:
        """What the token request must repeat (RFC 6749 section 4.1.3)."""
        return self.redirect_uri if self.redirect_uri_was_sent else ""

    @override
    def get_scope(self) -> str:
        return self.scope


@dataclass(frozen=True, slots=True)
class SessionGrant(TokenMixin):
    """What a client was granted for a session: scopes for one audience."""

    client_id: str
    user: str
    scope: str
    audience: str

    @override
    def check_client(self, client: ClientMixin) -> bool:
        return isinstance(client, Client) and client.id == self.client_id

    @override
    def get_scope(self) -> str:
        return self.scope


@dataclass(frozen=True, slots=True)
class Consent:
    """The scopes that a user granted a client for an audience."""

    user: UUID
    client_id: str
    audience: str
    scopes: frozenset[str] = field(default_factory=frozenset)


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A token that was issued. `expires_at` is in seconds since 1970."""

    token: str
    scope: str
    expires_at: int

    @property
    def expires_in(self) -> int:
        """Seconds that the token is still valid."""
        return max(0, self.expires_at - int(time.time()))


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenSet:
    """What the token endpoint returns, and for the audit log: whom the access token speaks for, who acts for them, where."""

    access: IssuedToken
    audience: str
    subject: str
    client_id: str
    refresh_token: str | None = None
    session: str | None = None
    tenant: str | None = None
    actors: tuple[str, ...] = ()
    exchanged: bool = False


def hash_secret(secret: str) -> str:
    """What is stored of a client's secret. Secrets are random, so one round of SHA-256 is enough."""
    return hashlib.sha256(secret.encode()).hexdigest()
