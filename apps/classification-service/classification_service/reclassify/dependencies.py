"""What the endpoint depends on."""

from typing import Annotated

from fastapi import Depends, Request

from classification_service.classify.schemas import MAX_BODY_BYTES
from classification_service.context import ContextOfApp
from classification_service.reclassify.schemas import ReclassifyRequest
from classification_service.reclassify.service import ReclassificationService
from nexus_chassis.routing import read_model


async def get_reclassification(context: ContextOfApp) -> ReclassificationService:
    """The service that takes items from one version to another."""
    return context.reclassification


async def read_reclassify_request(request: Request) -> ReclassifyRequest:
    """The body, read once the token was accepted: it is larger than what strangers may send."""
    return await read_model(request, ReclassifyRequest, MAX_BODY_BYTES)


Reclassification = Annotated[ReclassificationService, Depends(get_reclassification)]
ReclassifyBody = Annotated[ReclassifyRequest, Depends(read_reclassify_request)]
