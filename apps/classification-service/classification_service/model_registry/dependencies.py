"""What the endpoints of models depend on."""

from typing import Annotated

from fastapi import Depends

from classification_service.context import ContextOfApp
from classification_service.model_registry.service import ModelRegistry
from classification_service.taxonomies.errors import NoDatabaseError
from nexus_chassis.principal import Principal
from nexus_chassis.tokens import authenticate, require


async def get_registry(context: ContextOfApp) -> ModelRegistry:
    """The trained models; raises NoDatabaseError where there are none."""
    if context.registry is None:
        raise NoDatabaseError
    return context.registry


Registry = Annotated[ModelRegistry, Depends(get_registry)]
Reader = Annotated[Principal, Depends(authenticate)]
Administrator = Annotated[Principal, Depends(require("admin"))]
"""Who may change what answers the texts of a tenant."""
