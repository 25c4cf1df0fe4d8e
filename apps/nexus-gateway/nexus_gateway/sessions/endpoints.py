"""Sessions over HTTP."""

from typing import Annotated, Any

from fastapi import Query, Response

from nexus_chassis.routing import Router
from nexus_gateway.audit.dependencies import Audit
from nexus_gateway.audit.models import AuditEvent
from nexus_gateway.auth.client_address import ClientAddress
from nexus_gateway.auth.dependencies import CurrentAccess, CurrentPrincipal
from nexus_gateway.sessions.dependencies import Sessions
from nexus_gateway.sessions.errors import NoSessionError
from nexus_gateway.sessions.schemas import Credentials, CurrentSession, SignedIn

_CURSOR = r"^[0-9]{1,19}-[0-9]{1,19}$"

router = Router(tags=["sessions"])


@router.post("/v1/sessions", status_code=201, summary="Sign in")
async def sign_in(credentials: Credentials, sessions: Sessions, address: ClientAddress, response: Response) -> SignedIn:
    """Begin a session with user name and password; returns an access token for the gateway."""
    signed_in = await sessions.sign_in(credentials.username, credentials.password, address)
    token = signed_in.token
    response.headers["Cache-Control"] = "no-store"
    return SignedIn(
        access_token=token.token, expires_in=token.expires_in, scope=token.scope, session_id=signed_in.session.id
    )


@router.get("/v1/sessions/current", summary="The session of the token")
async def current(access: CurrentAccess) -> CurrentSession:
    """The session that the token belongs to."""
    if (session := access.session) is None:
        raise NoSessionError
    return CurrentSession(
        session_id=session.id,
        username=session.username,
        created_at=session.created,
        expires_at=access.principal.expires_at,
    )


@router.delete("/v1/sessions/current", status_code=204, summary="Sign out")
async def sign_out(principal: CurrentPrincipal, sessions: Sessions, audit: Audit, address: ClientAddress) -> None:
    """End the session; its tokens are refused from now on."""
    await sessions.end(principal)
    audit.record(AuditEvent.by(principal, "session.end", target=f"session:{principal.session}", address=address))


@router.get("/oauth/revocations", summary="Sessions that ended before their tokens expire")
async def revocations(
    sessions: Sessions, response: Response, after: Annotated[str, Query(pattern=_CURSOR)] = "0-0"
) -> dict[str, Any]:
    """The sessions that ended after the cursor `after`, as SHA-256 of their ids; every service polls this."""
    response.headers["Cache-Control"] = "no-store"
    return (await sessions.ended(after)).body()
