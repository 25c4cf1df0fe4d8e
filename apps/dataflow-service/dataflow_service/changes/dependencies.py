"""What the endpoints of changes are given."""

from typing import Annotated

from fastapi import Depends

from dataflow_service.changes.service import ChangeFeed
from dataflow_service.context import ContextOfApp


async def get_changes(context: ContextOfApp) -> ChangeFeed:
    """Return the feed of changes."""
    return context.changes


Changes = Annotated[ChangeFeed, Depends(get_changes)]
