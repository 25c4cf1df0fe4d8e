"""Who sends a request: its token is verified, and its session has not been ended."""

from typing import Annotated

from fastapi import Depends

from nexus_chassis.tokens import Principal, authenticate
from nexus_gateway.services import ServicesOfApp


async def caller(principal: Annotated[Principal, Depends(authenticate)], services: ServicesOfApp) -> Principal:
    """The principal of the request; raises Problem 401 when its session was ended, 503 when that cannot be known."""
    await services.sessions.require_alive(principal)
    return principal


Caller = Annotated[Principal, Depends(caller)]
