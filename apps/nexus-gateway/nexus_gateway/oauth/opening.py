"""The authorization server, put together."""

from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Literal

from redis.asyncio import Redis

from nexus_chassis.unit_of_work import Database
from nexus_gateway.audit.changes import ChangeLog
from nexus_gateway.audit.writer import AuditWriter
from nexus_gateway.auth.scopes import STRANGERS_SCOPES
from nexus_gateway.auth.users import LoadUser
from nexus_gateway.oauth.authorization import AuthorizationService
from nexus_gateway.oauth.client_documents import ClientDocuments
from nexus_gateway.oauth.clients import Clients, mcp_client
from nexus_gateway.oauth.codes import CodeStore, SessionGrants
from nexus_gateway.oauth.grants.subjects import IsActive, SubjectTokens
from nexus_gateway.oauth.grants.tools import GrantTools, Sessions
from nexus_gateway.oauth.issuer import TokenIssuer
from nexus_gateway.oauth.metadata import ServerMetadata
from nexus_gateway.oauth.models import Client
from nexus_gateway.oauth.public_network import create_session
from nexus_gateway.oauth.registration import Registration
from nexus_gateway.oauth.resources import Resources
from nexus_gateway.oauth.service import ClientService, EndClient
from nexus_gateway.oauth.tokens import TokenService


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthSettings:
    """What the authorization server is told: `scopes` by audience, which may change, and audiences by the `resources`."""

    scopes: Mapping[str, frozenset[str]]
    resources: Mapping[str, str]
    registration: bool
    documents: Literal["off", "public", "any"]
    session_seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuth:
    """The services of the authorization server."""

    authorization: AuthorizationService
    tokens: TokenService
    registration: Registration | None
    metadata: ServerMetadata


async def open_oauth(
    stack: AsyncExitStack,
    settings: OAuthSettings,
    *,
    issuer: TokenIssuer,
    service: Client,
    database: Database,
    redis: Redis,
    audit: AuditWriter,
    sessions: Sessions,
    load_user: LoadUser,
    is_active: IsActive,
    refresh_refused: type[Exception],
) -> OAuth:
    """The authorization server; `service` is the client of the settings. `stack` closes what is opened."""
    documents = None
    if settings.documents != "off":
        allow_private = settings.documents == "any"
        http = await stack.enter_async_context(create_session(allow_private=allow_private))
        documents = ClientDocuments(http, STRANGERS_SCOPES, allow_private=allow_private)
    clients = Clients(database, _built_in(service), documents)
    tools = GrantTools(
        issuer=issuer,
        find_client=clients.find,
        codes=CodeStore(redis),
        grants=SessionGrants(redis, settings.session_seconds),
        sessions=sessions,
        load_user=load_user,
        subjects=SubjectTokens(issuer, is_active),
        resources=Resources(settings.resources),
        refresh_refused=refresh_refused,
    )
    return OAuth(
        authorization=AuthorizationService(clients, tools, database, audit),
        tokens=TokenService(clients, tools, audit),
        registration=Registration(database, STRANGERS_SCOPES, audit) if settings.registration else None,
        metadata=ServerMetadata(
            issuer=issuer.issuer,
            scopes=settings.scopes,
            registration=settings.registration,
            documents=settings.documents != "off",
        ),
    )


def administered_clients(
    service: Client,
    scopes: Mapping[str, frozenset[str]],
    database: Database,
    changes: ChangeLog,
    end_client: EndClient,
) -> ClientService:
    """The clients that administrators manage; `service` is the client of the settings."""
    reserved = frozenset(client.id for client in _built_in(service))
    return ClientService(database, reserved, scopes, changes, end_client)


def _built_in(service: Client) -> list[Client]:
    return [service, mcp_client(STRANGERS_SCOPES)]
