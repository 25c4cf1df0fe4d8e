"""Status over HTTP."""

from typing import Any

from fastapi import Response

from nexus_chassis.routing import Router
from nexus_gateway.status.dependencies import AdministratorTokens, Status

router = Router(tags=["status"])


@router.get("/v1/status", summary="State of all services")
async def status(service: Status, token_for: AdministratorTokens, response: Response) -> dict[str, Any]:
    """The state of the six services; versions, checks and errors too for a token with the scope `admin`.

    Needs no token, so that it can be read when sign-in is what fails.
    """
    response.headers["Cache-Control"] = "no-store"
    return await service.public() if token_for is None else await service.detailed(token_for)
