"""What the endpoints of migrations are given."""

from typing import Annotated

from fastapi import Depends

from dataflow_service.context import ContextOfApp
from dataflow_service.schema.service import MigrationService


async def get_migrations(context: ContextOfApp) -> MigrationService:
    """Return the service of migrations."""
    return context.migrations


Migrations = Annotated[MigrationService, Depends(get_migrations)]
