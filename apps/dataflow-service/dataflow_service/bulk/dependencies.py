"""What the endpoints of many rows are given."""

from typing import Annotated

from fastapi import Depends

from dataflow_service.bulk.service import BulkService
from dataflow_service.context import ContextOfApp


async def get_bulk(context: ContextOfApp) -> BulkService:
    """Return the service of many rows."""
    return context.bulk


Bulk = Annotated[BulkService, Depends(get_bulk)]
