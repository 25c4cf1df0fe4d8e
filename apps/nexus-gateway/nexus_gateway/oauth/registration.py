"""Dynamic client registration (RFC 7591): for MCP clients that have neither an id nor a document. Off unless enabled."""

import secrets
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from nexus_chassis.unit_of_work import Database
from nexus_gateway.audit.models import AuditEvent
from nexus_gateway.audit.writer import AuditWriter
from nexus_gateway.oauth.clients import CODE_GRANTS, MCP_SERVER
from nexus_gateway.oauth.errors import OAuthError, RegistrationsFullError
from nexus_gateway.oauth.models import AuthMethod, Client, ClientKind, GrantType, hash_secret
from nexus_gateway.oauth.redirect_uris import ACCEPTABLE, is_acceptable
from nexus_gateway.oauth.repository import ClientRepository

LIFETIME = timedelta(days=30)
MAX_REGISTERED = 1000
_RETRY_SECONDS = 3600
_SHOWN = 3


class ClientMetadata(BaseModel):
    """What a client says of itself (RFC 7591 section 2); other members are ignored, as the section demands."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)

    redirect_uris: list[str] = Field(min_length=1, max_length=20)
    token_endpoint_auth_method: Literal["none", "client_secret_basic", "client_secret_post"] = "client_secret_basic"  # noqa: S105  a name
    grant_types: list[Annotated[str, Field(max_length=100)]] = Field(default=["authorization_code"], max_length=20)
    response_types: list[Literal["code"]] = Field(default=["code"], max_length=1)
    client_name: str = Field(default="", max_length=100)
    scope: str | None = Field(default=None, max_length=1000)


class Registration:
    """Registers clients. `scopes` are those that such a client can have."""

    def __init__(self, database: Database, scopes: frozenset[str], audit: AuditWriter) -> None:
        self._database = database
        self._clients = ClientRepository()
        self._scopes = scopes
        self._audit = audit

    async def register(self, document: object) -> dict[str, Any]:
        """The registered client, with its secret if it has one.

        Raises OAuthError `invalid_redirect_uri` or `invalid_client_metadata`, and RegistrationsFullError.
        """
        metadata = _checked(document)
        method = AuthMethod(metadata.token_endpoint_auth_method)
        secret = None if method is AuthMethod.NONE else secrets.token_urlsafe(32)
        wanted = self._client(metadata, secret)
        async with self._database.unit_of_work() as unit:
            if await self._clients.count_registered(unit.connection) >= MAX_REGISTERED:
                raise RegistrationsFullError(_RETRY_SECONDS)
            client = await self._clients.create(unit.connection, wanted)
            await self._audit.record_in(unit, AuditEvent("client.register", client_id=client.id, target=client.id))
        return _answer(client, method, secret)

    def _client(self, metadata: ClientMetadata, secret: str | None) -> Client:
        wanted = self._scopes if metadata.scope is None else frozenset(metadata.scope.split())
        return Client(
            id=f"r-{secrets.token_urlsafe(16)}",
            name=metadata.client_name or "A client that registered itself",
            kind=ClientKind.PUBLIC if secret is None else ClientKind.CONFIDENTIAL,
            secret_hash=None if secret is None else hash_secret(secret),
            redirect_uris=tuple(metadata.redirect_uris),
            grant_types=CODE_GRANTS.intersection(metadata.grant_types),
            scopes=self._scopes & wanted,
            audiences=frozenset({MCP_SERVER}),
            expires_at=datetime.now(UTC) + LIFETIME,
        )


def _checked(document: object) -> ClientMetadata:
    try:
        metadata = ClientMetadata.model_validate(document)
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()[:_SHOWN]]
        raise OAuthError("invalid_client_metadata", f"The metadata is not valid. {'; '.join(faults)}.") from None
    if unusable := [uri for uri in metadata.redirect_uris if not is_acceptable(uri)]:
        raise OAuthError("invalid_redirect_uri", f"Found {unusable[0]!r:.200}. {ACCEPTABLE}")
    if GrantType.AUTHORIZATION_CODE not in metadata.grant_types:
        raise OAuthError("invalid_client_metadata", "grant_types must include authorization_code.")
    if not metadata.client_name.isprintable():
        raise OAuthError("invalid_client_metadata", "client_name has characters that cannot be printed.")
    return metadata


def _answer(client: Client, method: AuthMethod, secret: str | None) -> dict[str, Any]:
    if client.created_at is None or client.expires_at is None:
        raise AssertionError
    credentials = {"client_secret": secret, "client_secret_expires_at": int(client.expires_at.timestamp())}
    return {
        "client_id": client.id,
        "client_id_issued_at": int(client.created_at.timestamp()),
        **({} if secret is None else credentials),
        "client_name": client.name,
        "redirect_uris": list(client.redirect_uris),
        "token_endpoint_auth_method": method,
        "grant_types": sorted(client.grant_types),
        "response_types": ["code"],
        "scope": " ".join(sorted(client.scopes)),
    }
