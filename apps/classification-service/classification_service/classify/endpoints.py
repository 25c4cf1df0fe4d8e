"""POST /v1/classify."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request

from classification_service.classify.schemas import ClassifyRequest, ClassifyResponse
from classification_service.classify.service import ClassificationService
from nexus_chassis.tokens import require

router = APIRouter(prefix="/v1", tags=["classify"], dependencies=[Depends(require("classify"))])


def service(request: Request) -> ClassificationService:
    """The service that classifies."""
    found: ClassificationService = request.app.state.classification
    return found


@router.post("/classify", summary="Codes for up to 1000 products")
async def classify(
    body: ClassifyRequest, classification: Annotated[ClassificationService, Depends(service)]
) -> ClassifyResponse:
    """One result per item, in order: a code with its confidence and alternatives, or an error of its own."""
    return await classification.classify(body)
