"""What the application holds while it runs."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Depends
from starlette.requests import HTTPConnection

if TYPE_CHECKING:
    from classification_service.classify.classifier import Classifier
    from classification_service.classify.service import ClassificationService
    from classification_service.features.service import FeatureService
    from classification_service.feedback.service import FeedbackService
    from classification_service.jobs.service import JobService
    from classification_service.llm.usage import UsageService
    from classification_service.model_registry.following import ModelFollower
    from classification_service.model_registry.service import ModelRegistry
    from classification_service.reclassify.service import ReclassificationService
    from classification_service.review.service import ReviewQueue
    from classification_service.settings import Settings
    from classification_service.taxonomies.catalogue import Catalogue
    from classification_service.taxonomies.service import Taxonomies
    from classification_service.training_runs.service import TrainingService
    from nexus_chassis.unit_of_work import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """The taxonomies that are loaded, the classifier over them, the service that answers requests, and usage.

    What follows `database` is None for a service without a database.
    """

    settings: "Settings"
    taxonomies: "Taxonomies"
    catalogue: "Catalogue"
    classifier: "Classifier"
    classification: "ClassificationService"
    features: "FeatureService"
    jobs: "JobService"
    reclassification: "ReclassificationService"
    usage: "UsageService"
    database: "Database | None"
    feedback: "FeedbackService | None"
    review: "ReviewQueue | None"
    registry: "ModelRegistry | None"
    model_follower: "ModelFollower[Any] | None"
    training: "TrainingService | None"


async def get_context(connection: HTTPConnection) -> Context:
    """The context of the application that got this request."""
    context: Context = connection.app.state.context
    return context


ContextOfApp = Annotated[Context, Depends(get_context)]
