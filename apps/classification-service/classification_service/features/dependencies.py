"""What the endpoint of feature values depends on."""

from typing import Annotated

from fastapi import Depends, Request

from classification_service.classify.schemas import MAX_BODY_BYTES
from classification_service.context import ContextOfApp
from classification_service.features.schemas import FeaturesRequest
from classification_service.features.service import FeatureService
from nexus_chassis.routing import read_model


async def get_features(context: ContextOfApp) -> FeatureService:
    """The service that reads feature values."""
    return context.features


async def read_features_request(request: Request) -> FeaturesRequest:
    """The body, read once the token was accepted: it is larger than what strangers may send."""
    return await read_model(request, FeaturesRequest, MAX_BODY_BYTES)


Features = Annotated[FeatureService, Depends(get_features)]
FeaturesBody = Annotated[FeaturesRequest, Depends(read_features_request)]
