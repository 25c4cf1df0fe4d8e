"""GET /.well-known/oauth-protected-resource, also with the path of the resource behind it."""

from typing import Any

from fastapi import APIRouter, Request

from mcp_server.discovery.service import WELL_KNOWN

router = APIRouter(tags=["discovery"])


@router.get(WELL_KNOWN)
@router.get(f"{WELL_KNOWN}/mcp")
async def read_metadata(request: Request) -> dict[str, Any]:
    """Tell which authorization server gives tokens for this service."""
    metadata: dict[str, Any] = request.app.state.resource_metadata
    return metadata
