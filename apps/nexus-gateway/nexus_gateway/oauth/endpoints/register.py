"""Dynamic client registration (RFC 7591)."""

from typing import Any

from fastapi import Request, Response

from nexus_chassis.request_body import read_json
from nexus_chassis.routing import Router
from nexus_gateway.oauth.dependencies import Registrations
from nexus_gateway.oauth.endpoints.bodies import no_store
from nexus_gateway.oauth.registration import ClientMetadata

_MAX_BYTES = 16384
_BODY = {
    "requestBody": {"content": {"application/json": {"schema": ClientMetadata.model_json_schema()}}, "required": True}
}

router = Router(tags=["oauth"])


@router.post("/oauth/register", status_code=201, summary="Register a client (RFC 7591)", openapi_extra=_BODY)
async def register_client(request: Request, registrations: Registrations, response: Response) -> dict[str, Any]:
    """A new client of MCP servers; it expires after 30 days."""
    no_store(response)
    return await registrations.register(await read_json(request, _MAX_BYTES))
