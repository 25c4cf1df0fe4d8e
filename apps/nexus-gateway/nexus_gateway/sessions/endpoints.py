"""Sessions over HTTP."""

from fastapi import APIRouter, Response

from nexus_chassis.bodies import limited_to
from nexus_gateway.access import Caller
from nexus_gateway.services import ServicesOfApp
from nexus_gateway.sessions.schemas import Credentials, CurrentSession, SignedIn
from nexus_gateway.tokens.service import TOKEN_SECONDS

_BODY_LIMIT = 65536

router = APIRouter(prefix="/v1/sessions", tags=["sessions"], route_class=limited_to(_BODY_LIMIT))


@router.post("", status_code=201, summary="Sign in")
async def sign_in(credentials: Credentials, services: ServicesOfApp, response: Response) -> SignedIn:
    """Begin a session with user name and password; gives an access token for the gateway."""
    user = await services.identity.sign_in(credentials.username, credentials.password)
    session = await services.sessions.begin(user, TOKEN_SECONDS)
    grant = services.tokens.for_session(user, session)
    response.headers["Cache-Control"] = "no-store"
    return SignedIn(access_token=grant.token, expires_in=grant.expires_in, scope=grant.scope, session_id=session.id)


@router.get("/current", summary="The caller's session")
async def current(caller: Caller, services: ServicesOfApp) -> CurrentSession:
    """The session that the token belongs to."""
    session = await services.sessions.current(caller)
    return CurrentSession(
        session_id=session.id,
        username=session.username,
        created_at=session.created,
        expires_at=caller.expires_at,
    )


@router.delete("/current", status_code=204, summary="Sign out")
async def sign_out(caller: Caller, services: ServicesOfApp) -> None:
    """End the session; its tokens are refused from now on."""
    await services.sessions.end(caller)
