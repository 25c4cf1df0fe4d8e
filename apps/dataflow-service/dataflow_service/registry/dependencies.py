"""What the endpoints of models are given."""

from typing import Annotated

from fastapi import Depends

from dataflow_service.context import ContextOfApp
from dataflow_service.registry.model import Model, Registry


async def get_registry(context: ContextOfApp) -> Registry:
    """Return the models that were loaded at start."""
    return context.registry


RegistryOfApp = Annotated[Registry, Depends(get_registry)]


async def get_named_model(name: str, registry: RegistryOfApp) -> Model:
    """Return the model whose class name the address has; raises NoSuchModelError."""
    return registry.named(name)


NamedModel = Annotated[Model, Depends(get_named_model)]
