"""GET /.well-known/oauth-protected-resource, also with the path of the resource behind it."""

from typing import Any

from mcp_server.discovery.dependencies import ResourceMetadataOfApp
from mcp_server.discovery.service import WELL_KNOWN
from nexus_chassis.openapi import ANYBODY
from nexus_chassis.routing import Router

router = Router(tags=["discovery"])


@router.get(WELL_KNOWN, openapi_extra=ANYBODY)
@router.get(f"{WELL_KNOWN}/mcp", operation_id="metadata_of_mcp_read", openapi_extra=ANYBODY)
async def read_metadata(metadata: ResourceMetadataOfApp) -> dict[str, Any]:
    """Return which authorization server issues tokens for this service."""
    return metadata.document()
