"""What the endpoints of feedback depend on."""

from typing import Annotated

from fastapi import Depends, Request

from classification_service.classify.schemas import MAX_BODY_BYTES
from classification_service.context import ContextOfApp
from classification_service.feedback.schemas import FeedbackRequest, TaxonomyQuery, VersionQuery
from classification_service.feedback.service import FeedbackService
from classification_service.review.models import Scope
from classification_service.taxonomies.errors import NoDatabaseError
from nexus_chassis.principal import Principal
from nexus_chassis.routing import read_model
from nexus_chassis.tokens import authenticate


async def get_feedback(context: ContextOfApp) -> FeedbackService:
    """The service that takes decisions; raises NoDatabaseError where there is none."""
    if context.feedback is None:
        raise NoDatabaseError
    return context.feedback


async def read_feedback_request(request: Request) -> FeedbackRequest:
    """The body, read once the token was accepted: it is larger than what strangers may send."""
    return await read_model(request, FeedbackRequest, MAX_BODY_BYTES)


async def get_scope(
    context: ContextOfApp,
    principal: Annotated[Principal, Depends(authenticate)],
    taxonomy: TaxonomyQuery,
    version: VersionQuery | None = None,
) -> Scope:
    """The version that a query names, and the tenant of who asks; raises UnknownTaxonomyError."""
    loaded = context.taxonomies.get(taxonomy, version)
    return Scope(loaded.name, loaded.version, principal.tenant or "")


Feedback = Annotated[FeedbackService, Depends(get_feedback)]
FeedbackBody = Annotated[FeedbackRequest, Depends(read_feedback_request)]
ScopeOfQuery = Annotated[Scope, Depends(get_scope)]
