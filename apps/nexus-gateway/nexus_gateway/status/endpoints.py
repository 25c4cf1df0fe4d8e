"""Status over HTTP."""

from typing import Any

from fastapi import APIRouter, Response

from nexus_gateway.services import ServicesOfApp

router = APIRouter(tags=["status"])


@router.get("/v1/status", summary="State of all services")
async def status(services: ServicesOfApp, response: Response) -> dict[str, Any]:
    """The six services with versions and checks. Needs no token, so that it can be read when sign-in is what fails."""
    response.headers["Cache-Control"] = "no-store"
    return await services.status.status()
