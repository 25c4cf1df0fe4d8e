"""What the gateway holds while it runs; made in opening.py alone."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends
from starlette.requests import HTTPConnection

if TYPE_CHECKING:
    from nexus_chassis.revocation_stream import RevocationFeed
    from nexus_chassis.revocations import Revocations
    from nexus_gateway.account.service import Account
    from nexus_gateway.audit.service import AuditService
    from nexus_gateway.audit.writer import AuditWriter
    from nexus_gateway.auth.browsers import Browsers
    from nexus_gateway.auth.session_gate import SessionGate
    from nexus_gateway.events.service import EventService
    from nexus_gateway.oauth.issuer import TokenIssuer
    from nexus_gateway.oauth.keys.service import SigningKeyService
    from nexus_gateway.oauth.models import IssuedToken
    from nexus_gateway.oauth.opening import OAuth
    from nexus_gateway.oauth.service import ClientService
    from nexus_gateway.oidc.service import ExternalLogins
    from nexus_gateway.openapi.service import DocumentService
    from nexus_gateway.proxy.forwarder import Forwarder
    from nexus_gateway.proxy.routes import RouteTable
    from nexus_gateway.rate_limits.limiter import RateLimiter
    from nexus_gateway.roles.service import RoleService
    from nexus_gateway.sessions.service import SessionService
    from nexus_gateway.status.service import StatusService
    from nexus_gateway.tenants.service import TenantService
    from nexus_gateway.users.authentication import UserAuthentication
    from nexus_gateway.users.password_service import PasswordService
    from nexus_gateway.users.service import UserService


@dataclass(frozen=True, slots=True, kw_only=True)
class Administration:
    """The services that administrators use, over HTTP and at the command line."""

    audit_log: "AuditService"
    tenants: "TenantService"
    roles: "RoleService"
    users: "UserService"
    passwords: "PasswordService"
    clients: "ClientService"
    signing_keys: "SigningKeyService"


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """The services of the features."""

    audit: "AuditWriter"
    session_gate: "SessionGate"
    rate_limiter: "RateLimiter"
    administration: Administration
    logins: "UserAuthentication"
    revocations: "Revocations"
    revocation_feed: "RevocationFeed"
    browsers: "Browsers"
    account: "Account"
    sessions: "SessionService[IssuedToken]"
    external_logins: "ExternalLogins"
    issuer: "TokenIssuer"
    oauth: "OAuth"
    forwarder: "Forwarder"
    route_table: "RouteTable"
    events: "EventService"
    status: "StatusService"
    document: "DocumentService"


async def get_context(connection: HTTPConnection) -> Context:
    """The context of the application that received this request."""
    context: Context = connection.app.state.context
    return context


ContextOfApp = Annotated[Context, Depends(get_context)]
