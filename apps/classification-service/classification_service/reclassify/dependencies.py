"""What the endpoint depends on."""

from typing import Annotated

from fastapi import Depends, Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from classification_service.classify.schemas import MAX_BODY_BYTES
from classification_service.context import ContextOfApp
from classification_service.reclassify.schemas import ReclassifyRequest
from classification_service.reclassify.service import ReclassificationService
from nexus_chassis.request_body import read_json_bytes
from nexus_chassis.routing import body_faults


async def get_reclassification(context: ContextOfApp) -> ReclassificationService:
    """The service that takes items from one version to another."""
    return context.reclassification


async def read_reclassify_request(request: Request) -> ReclassifyRequest:
    """The body, read once the token was accepted: it is larger than what strangers may send."""
    body = await read_json_bytes(request, MAX_BODY_BYTES)
    try:
        return ReclassifyRequest.model_validate_json(body)
    except ValidationError as error:
        raise RequestValidationError(body_faults(error)) from None


Reclassification = Annotated[ReclassificationService, Depends(get_reclassification)]
ReclassifyBody = Annotated[ReclassifyRequest, Depends(read_reclassify_request)]
