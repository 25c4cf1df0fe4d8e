"""Sessions over HTTP."""

from typing import Annotated, Any

from fastapi import Query, Request, Response

from nexus_chassis.revocation_stream import answer_revocations
from nexus_chassis.revocations import MAX_WAIT_SECONDS
from nexus_chassis.routing import Router
from nexus_gateway.auth.dependencies import CurrentAccess, CurrentPrincipal
from nexus_gateway.sessions.dependencies import ClientAddress, Feed, Sessions
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
async def sign_out(principal: CurrentPrincipal, sessions: Sessions) -> None:
    """End the session; its tokens are refused from now on."""
    await sessions.end(principal)


@router.get("/oauth/revocations", summary="What ended before its tokens expire: sessions, users' older tokens, keys")
async def revocations(
    request: Request,
    feed: Feed,
    response: Response,
    after: Annotated[str, Query(pattern=_CURSOR)] = "0-0",
    wait: Annotated[int, Query(ge=0, le=MAX_WAIT_SECONDS)] = 0,
) -> dict[str, Any]:
    """What ended after the cursor `after`, as soon as there is anything, or nothing after `wait` seconds.

    Ids of sessions and users are SHA-256; every service follows this.
    """
    response.headers["Cache-Control"] = "no-store"
    return (await answer_revocations(request, feed, after, wait)).body()
