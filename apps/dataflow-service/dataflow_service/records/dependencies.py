"""What the endpoints of rows are given."""

from typing import Annotated

from fastapi import Depends

from dataflow_service.context import ContextOfApp
from dataflow_service.records.service import RecordService
from dataflow_service.registry.model import Model
from nexus_chassis.principal import Principal
from nexus_chassis.tokens import require


async def get_records(context: ContextOfApp) -> RecordService:
    """Return the service of rows."""
    return context.records


async def get_model(path: str, context: ContextOfApp) -> Model:
    """Return the model whose rows are at the address; raises NoSuchModelError and TenantsMixedError."""
    model = context.registry.at_path(path)
    await context.records.admit(model)
    return model


Records = Annotated[RecordService, Depends(get_records)]
ModelAtPath = Annotated[Model, Depends(get_model)]
Reader = Annotated[Principal, Depends(require("data:read"))]
Writer = Annotated[Principal, Depends(require("data:write"))]
