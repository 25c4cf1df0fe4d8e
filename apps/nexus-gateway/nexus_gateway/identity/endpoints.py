"""Identity over HTTP."""

from fastapi import APIRouter

from nexus_gateway.access import Caller
from nexus_gateway.identity.schemas import Me
from nexus_gateway.services import ServicesOfApp

router = APIRouter(tags=["identity"])


@router.get("/v1/me", summary="Who the caller is")
async def me(caller: Caller, services: ServicesOfApp) -> Me:
    """Subject, scopes and session of the token that was sent."""
    return Me(
        subject=caller.subject,
        username=await services.identity.username(caller.subject),
        client_id=caller.client_id,
        scopes=sorted(caller.scopes),
        session_id=caller.session,
        expires_at=caller.expires_at,
    )
