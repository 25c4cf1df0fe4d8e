"""What the endpoints of imports are given."""

from typing import Annotated

from fastapi import Depends

from dataflow_service.context import ContextOfApp
from dataflow_service.imports.service import ImportService


async def get_imports(context: ContextOfApp) -> ImportService:
    """Return the service of imports."""
    return context.imports


Imports = Annotated[ImportService, Depends(get_imports)]
