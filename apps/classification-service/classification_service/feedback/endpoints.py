"""/v1/feedback: decisions of people."""

from typing import Annotated

from fastapi import Depends

from classification_service.classify.schemas import inlined_schema
from classification_service.feedback.dependencies import Feedback, FeedbackBody, ScopeOfQuery
from classification_service.feedback.schemas import (
    BeforeQuery,
    CarryRequest,
    CarryResponse,
    DaysQuery,
    DecidedOut,
    DecisionOut,
    DecisionPage,
    FeedbackRequest,
    FeedbackResponse,
    LimitQuery,
    PersonQuery,
    StatisticsOut,
)
from nexus_chassis.principal import Principal
from nexus_chassis.routing import Router
from nexus_chassis.tokens import authenticate, require

router = Router(prefix="/v1/feedback", tags=["feedback"], dependencies=[Depends(require("classify"))])

_BODY = {"content": {"application/json": {"schema": inlined_schema(FeedbackRequest)}}, "required": True}
_LATEST = 2**63 - 1


@router.post("", summary="Decide the codes of up to 1000 products", openapi_extra={"requestBody": _BODY})
async def create_feedback(
    body: FeedbackBody, feedback: Feedback, principal: Annotated[Principal, Depends(authenticate)]
) -> FeedbackResponse:
    """Each code counts at once, in all processes: for the same text, and as an example for texts like it."""
    taxonomy, generation, decisions = await feedback.decide(body, principal)
    return FeedbackResponse(
        taxonomy=taxonomy.name,
        version=taxonomy.version,
        generation=generation,
        items=[DecisionOut.of(decision) for decision in decisions],
    )


@router.get("", summary="Who decided what")
async def list_feedback(
    scope: ScopeOfQuery,
    feedback: Feedback,
    *,
    decided_by: PersonQuery | None = None,
    before: BeforeQuery = _LATEST,
    limit: LimitQuery = 100,
) -> DecisionPage:
    """The decisions about a version, the latest first, with what the service had said."""
    rows, following = await feedback.decisions(scope, decided_by, before, limit)
    return DecisionPage(
        taxonomy=scope.taxonomy,
        version=scope.version,
        items=[DecidedOut.of_stored(row) for row in rows],
        next=following,
    )


@router.post("/carry", summary="Take decisions to a new version", dependencies=[Depends(require("admin"))])
async def carry_feedback(
    body: CarryRequest, feedback: Feedback, principal: Annotated[Principal, Depends(authenticate)]
) -> CarryResponse:
    """Decisions whose codes are there or moved count in the version; texts of retired codes are classified for review."""
    result = await feedback.carry(body.taxonomy, body.since, body.version, principal)
    return CarryResponse(
        taxonomy=body.taxonomy,
        since=body.since,
        version=body.version,
        generation=result.generation,
        carried=result.carried,
        classified=result.classified,
        queued=result.queued,
    )


@router.get("/statistics", summary="How far models and people agree")
async def read_statistics(scope: ScopeOfQuery, feedback: Feedback, days: DaysQuery = 90) -> StatisticsOut:
    """Agreement with models by level, person and confidence, and that of people with each other."""
    return StatisticsOut.of(scope.taxonomy, scope.version, await feedback.statistics(scope, days))
