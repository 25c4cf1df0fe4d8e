"""What the endpoints of taxonomies depend on."""

from typing import Annotated

from fastapi import Depends

from classification_service.context import ContextOfApp
from classification_service.taxonomies.service import Taxonomies


async def get_taxonomies(context: ContextOfApp) -> Taxonomies:
    """The taxonomies that are loaded."""
    return context.taxonomies


LoadedTaxonomies = Annotated[Taxonomies, Depends(get_taxonomies)]
