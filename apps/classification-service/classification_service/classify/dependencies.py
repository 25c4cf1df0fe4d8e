"""What the endpoints of classification depend on."""

from typing import Annotated

from fastapi import Depends, Request

from classification_service.classify.schemas import MAX_BODY_BYTES, ClassifyRequest
from classification_service.classify.service import ClassificationService
from classification_service.context import ContextOfApp
from nexus_chassis.routing import read_model


async def get_classification(context: ContextOfApp) -> ClassificationService:
    """The service that classifies."""
    return context.classification


async def read_classify_request(request: Request) -> ClassifyRequest:
    """The body, read once the token was accepted: it is larger than what strangers may send."""
    return await read_model(request, ClassifyRequest, MAX_BODY_BYTES)


Classification = Annotated[ClassificationService, Depends(get_classification)]
ClassifyBody = Annotated[ClassifyRequest, Depends(read_classify_request)]
