"""What the endpoints of taxonomies depend on."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, BinaryIO, cast

from fastapi import Depends, Request

from classification_service.context import ContextOfApp
from classification_service.taxonomies.catalogue import Catalogue
from classification_service.taxonomies.schemas import FILE_TYPES
from classification_service.taxonomies.service import Taxonomies
from nexus_chassis.limits import MIB
from nexus_chassis.principal import Principal
from nexus_chassis.request_body import require_media_type, stream_body
from nexus_chassis.tokens import require


async def get_taxonomies(context: ContextOfApp) -> Taxonomies:
    """The taxonomies that are loaded."""
    return context.taxonomies


async def get_catalogue(context: ContextOfApp) -> Catalogue:
    """The taxonomies as they are looked up."""
    return context.catalogue


LoadedTaxonomies = Annotated[Taxonomies, Depends(get_taxonomies)]
CatalogueOfApp = Annotated[Catalogue, Depends(get_catalogue)]
Administrator = Annotated[Principal, Depends(require("admin"))]
"""Who may change what everybody's texts are classified against."""


@asynccontextmanager
async def receive_file(request: Request, limit: int) -> AsyncIterator[BinaryIO]:
    """Context manager of a temporary file with the body, which is at most `limit` bytes.

    Raises Problem 413, 415, 429 or 503.
    """
    require_media_type(request, FILE_TYPES)
    with tempfile.TemporaryFile() as file:
        async for part in stream_body(request, limit, reserved=MIB):
            await asyncio.to_thread(file.write, part)
        yield cast("BinaryIO", file)
