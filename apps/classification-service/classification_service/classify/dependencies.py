"""What the endpoints of classification depend on."""

from typing import Annotated

from fastapi import Depends, Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from classification_service.classify.schemas import MAX_BODY_BYTES, ClassifyRequest
from classification_service.classify.service import ClassificationService
from classification_service.context import ContextOfApp
from nexus_chassis.request_body import read_json_bytes
from nexus_chassis.routing import body_faults


async def get_classification(context: ContextOfApp) -> ClassificationService:
    """The service that classifies."""
    return context.classification


async def read_classify_request(request: Request) -> ClassifyRequest:
    """The body, read once the token was accepted: it is larger than what strangers may send."""
    body = await read_json_bytes(request, MAX_BODY_BYTES)
    try:
        return ClassifyRequest.model_validate_json(body)
    except ValidationError as error:
        raise RequestValidationError(body_faults(error)) from None


Classification = Annotated[ClassificationService, Depends(get_classification)]
ClassifyBody = Annotated[ClassifyRequest, Depends(read_classify_request)]
