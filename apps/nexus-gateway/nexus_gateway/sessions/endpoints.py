"""Sessions over HTTP."""

from typing import Annotated, Any

from fastapi import Path, Query, Request, Response

from nexus_chassis.revocation_stream import answer_revocations
from nexus_chassis.revocations import MAX_WAIT_SECONDS
from nexus_chassis.routing import Router
from nexus_gateway.auth.client_address import ClientAddress
from nexus_gateway.auth.dependencies import CurrentPrincipal
from nexus_gateway.sessions.dependencies import Agent, Feed, OwnUser, Sessions
from nexus_gateway.sessions.errors import NoSessionError
from nexus_gateway.sessions.models import Tokens
from nexus_gateway.sessions.schemas import Credentials, Device, Devices, RefreshRequest, SignedIn
from nexus_gateway.sessions.service import AccessToken

_CURSOR = r"^[0-9]{1,19}-[0-9]{1,19}$"

router = Router(tags=["sessions"])


@router.post("/v1/sessions", status_code=201, summary="Sign in")
async def sign_in(
    credentials: Credentials, sessions: Sessions, address: ClientAddress, agent: Agent, response: Response
) -> SignedIn:
    """Begin a session with user name and password; returns an access token for the gateway, and a refresh token."""
    response.headers["Cache-Control"] = "no-store"
    return _signed_in(await sessions.sign_in(credentials.username, credentials.password, address, agent))


@router.post("/v1/sessions/refresh", summary="The next tokens of a session")
async def refresh(wanted: RefreshRequest, sessions: Sessions, address: ClientAddress, response: Response) -> SignedIn:
    """Go on in a session; each refresh token is used once, and returns the one to use next.

    A repetition within ten seconds returns the same one; a later repetition ends the session.
    """
    response.headers["Cache-Control"] = "no-store"
    return _signed_in(await sessions.refresh(wanted.refresh_token, address=address))


def _signed_in(tokens: Tokens[AccessToken]) -> SignedIn:
    access = tokens.access
    return SignedIn(
        access_token=access.token,
        expires_in=access.expires_in,
        refresh_token=tokens.refresh_token,
        scope=access.scope,
        session_id=tokens.session.id,
    )


@router.get("/v1/sessions", summary="Own sessions")
async def own_sessions(principal: OwnUser, sessions: Sessions) -> Devices:
    """The sessions of the user, one for each device or client that signed in."""
    found = await sessions.of_user(principal.subject)
    return Devices(items=[Device.of(session, principal.session) for session in found])


@router.get("/v1/sessions/current", summary="The session of the token")
async def current(principal: CurrentPrincipal, sessions: Sessions) -> Device:
    """The session that the token belongs to."""
    if principal.session is None:
        raise NoSessionError
    return Device.of(await sessions.find(principal.subject, principal.session), principal.session)


@router.delete("/v1/sessions/current", status_code=204, summary="Sign out")
async def sign_out(principal: CurrentPrincipal, sessions: Sessions, address: ClientAddress) -> None:
    """End the session; its tokens are refused from now on."""
    if principal.session is None:
        raise NoSessionError
    await sessions.end(principal.subject, principal.session, principal=principal, address=address)


@router.delete("/v1/sessions/{session_id}", status_code=204, summary="End one of the own sessions")
async def end_session(
    session_id: Annotated[str, Path(max_length=64)], principal: OwnUser, sessions: Sessions, address: ClientAddress
) -> None:
    """End a session of the user, on another device for example."""
    session = await sessions.find(principal.subject, session_id)
    await sessions.end(principal.subject, session.id, principal=principal, address=address)


@router.delete("/v1/sessions", status_code=204, summary="Sign out everywhere")
async def end_all(principal: OwnUser, sessions: Sessions, address: ClientAddress) -> None:
    """End all sessions of the user, this one included."""
    await sessions.end_all(principal.subject, principal=principal, address=address)


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
