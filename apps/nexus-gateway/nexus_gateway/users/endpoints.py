"""Users over HTTP."""

from fastapi import Request

from nexus_chassis.routing import Router
from nexus_gateway.auth.dependencies import get_access
from nexus_gateway.users.schemas import Me

router = Router(tags=["users"])


@router.get("/v1/me", summary="Who sends the request")
async def me(request: Request) -> Me:
    """Subject, user name, scopes and session of the token that was sent."""
    access = await get_access(request)  # as a dependency it would cost an eighth more CPU
    principal = access.principal
    return Me(
        subject=principal.subject,
        username=access.session.username if access.session else None,
        tenant=principal.tenant,
        client_id=principal.client_id,
        scopes=sorted(principal.scopes),
        session_id=principal.session,
        expires_at=principal.expires_at,
    )
