"""GET /.well-known/oauth-protected-resource, also with the path of the resource behind it."""

from typing import Any

from mcp_server.discovery.dependencies import ResourceMetadataOfApp
from mcp_server.discovery.service import WELL_KNOWN
from nexus_chassis.routing import Router

router = Router(tags=["discovery"])


@router.get(WELL_KNOWN)
@router.get(f"{WELL_KNOWN}/mcp", operation_id="metadata_of_mcp_read")
async def read_metadata(metadata: ResourceMetadataOfApp) -> dict[str, Any]:
    """Return which authorization server issues tokens for this service."""
    return metadata.document()
