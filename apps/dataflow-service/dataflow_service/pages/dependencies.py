"""What the endpoints of pages are given."""

from typing import Annotated

from fastapi import Depends

from dataflow_service.context import ContextOfApp
from dataflow_service.pages.service import ModelPages


async def get_pages(context: ContextOfApp) -> ModelPages:
    """Return what the pages show."""
    return context.pages


Pages = Annotated[ModelPages, Depends(get_pages)]
