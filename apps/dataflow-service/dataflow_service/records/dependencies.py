"""What the endpoints of rows are given.

Most requests come here, and each dependency costs as much CPU as the check of a token: these do not depend on others.
"""

from typing import Annotated

from fastapi import Depends
from starlette.requests import HTTPConnection

from dataflow_service.context import context_of
from dataflow_service.records.service import RecordService
from dataflow_service.registry.model import Model
from nexus_chassis.principal import Principal
from nexus_chassis.tokens import require


async def get_records(connection: HTTPConnection) -> RecordService:
    """Return the service of rows."""
    return context_of(connection).records


async def get_model(path: str, connection: HTTPConnection) -> Model:
    """Return the model whose rows are at the address; raises NoSuchModelError and TenantsMixedError."""
    context = context_of(connection)
    model = context.registry.at_path(path)
    await context.records.admit(model)
    return model


Records = Annotated[RecordService, Depends(get_records)]
ModelAtPath = Annotated[Model, Depends(get_model)]
Reader = Annotated[Principal, Depends(require("data:read"))]
Writer = Annotated[Principal, Depends(require("data:write"))]
