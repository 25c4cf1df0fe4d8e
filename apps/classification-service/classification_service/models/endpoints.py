"""GET /v1/models."""

from fastapi import APIRouter, Depends, Request

from classification_service.models.schemas import ModelList, ModelOut
from nexus_chassis.tokens import require

router = APIRouter(prefix="/v1/models", tags=["models"], dependencies=[Depends(require("classify"))])


@router.get("", summary="Models that are loaded")
async def list_models(request: Request) -> ModelList:
    """Each model with its taxonomy, its encoder and the device that it computes on."""
    state = request.app.state
    return ModelList(models=ModelOut.all_of(state.classifier, state.taxonomies))
