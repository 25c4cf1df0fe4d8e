"""GET /v1/models."""

from fastapi import Depends

from classification_service.context import ContextOfApp
from classification_service.model_registry.schemas import ModelList, ModelOut
from nexus_chassis.routing import Router
from nexus_chassis.tokens import require

router = Router(prefix="/v1/models", tags=["models"], dependencies=[Depends(require("classify"))])


@router.get("", summary="Models that are loaded")
async def list_models(context: ContextOfApp) -> ModelList:
    """Each model with its taxonomy, its encoder and the device that it computes on."""
    classifier = context.classifier
    return ModelList(models=[ModelOut.model_validate(model) for model in classifier.describe(context.taxonomies)])
