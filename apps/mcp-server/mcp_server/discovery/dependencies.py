"""Dependencies of the endpoints in this folder."""

from typing import Annotated

from fastapi import Depends

from mcp_server.context import ContextOfApp
from mcp_server.discovery.service import ResourceMetadata


async def get_metadata(context: ContextOfApp) -> ResourceMetadata:
    """Return the metadata of this service."""
    return context.metadata


ResourceMetadataOfApp = Annotated[ResourceMetadata, Depends(get_metadata)]
