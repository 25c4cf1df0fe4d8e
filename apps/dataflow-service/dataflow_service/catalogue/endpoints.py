"""GET /v1/models, /v1/models/{Model}, /v1/nodes."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request

from dataflow_service.catalogue import service
from dataflow_service.catalogue.schemas import Catalogue
from nexus_chassis.tokens import require

router = APIRouter(prefix="/v1", tags=["models"], dependencies=[Depends(require("data:read"))])


def catalogue_of(request: Request) -> Catalogue:
    """Give the models that were loaded at start."""
    catalogue: Catalogue = request.app.state.catalogue
    return catalogue


@router.get("/models")
async def list_models(catalogue: Annotated[Catalogue, Depends(catalogue_of)]) -> dict[str, Any]:
    """List the models."""
    return {"items": [service.summary(model) for model in catalogue.models]}


@router.get("/models/{name}")
async def read_model(name: str, catalogue: Annotated[Catalogue, Depends(catalogue_of)]) -> dict[str, Any]:
    """Describe a model: fields, types, indexes, nodes, JSON Schema."""
    return service.description(service.find(catalogue, name))


@router.get("/nodes")
async def list_nodes(catalogue: Annotated[Catalogue, Depends(catalogue_of)]) -> dict[str, Any]:
    """List the workflow nodes that Kailash generated for the models."""
    return {"items": service.nodes(catalogue)}
