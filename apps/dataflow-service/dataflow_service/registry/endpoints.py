"""GET /v1/models, /v1/models/{Model}, /v1/nodes."""

from typing import Any

from fastapi import Depends

from dataflow_service.registry import descriptions
from dataflow_service.registry.dependencies import NamedModel, RegistryOfApp
from nexus_chassis.routing import Router
from nexus_chassis.tokens import require

router = Router(prefix="/v1", tags=["models"], dependencies=[Depends(require("data:read"))])


@router.get("/models")
async def list_models(registry: RegistryOfApp) -> dict[str, Any]:
    """List the models."""
    return {"items": [descriptions.summary(model) for model in registry.models]}


@router.get("/models/{name}")
async def read_model(model: NamedModel) -> dict[str, Any]:
    """Describe a model: fields, types, indexes, nodes, JSON Schema."""
    return descriptions.description(model)


@router.get("/nodes")
async def list_nodes(registry: RegistryOfApp) -> dict[str, Any]:
    """List the workflow nodes that Kailash generated for the models."""
    return {"items": descriptions.nodes(registry)}
