"""The application."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from fastapi import FastAPI

from classification_service import __version__
from classification_service.cache.opening import open_cache
from classification_service.classify import endpoints as classify_endpoints
from classification_service.classify.classifier import Classifier, open_classifier
from classification_service.classify.refinement import Refinement
from classification_service.classify.service import ClassificationService
from classification_service.context import Context
from classification_service.ensemble.opening import OpenedModel, open_model
from classification_service.errors import ClassificationServiceError
from classification_service.features import endpoints as feature_endpoints
from classification_service.features.classes import Classes
from classification_service.features.service import FeatureService
from classification_service.feedback import endpoints as feedback_endpoints
from classification_service.feedback.labels import StoredLabels
from classification_service.feedback.service import FeedbackService
from classification_service.jobs import endpoints as job_endpoints
from classification_service.jobs.models import Classify
from classification_service.jobs.opening import open_jobs
from classification_service.jobs.service import JobService
from classification_service.llm import endpoints as llm_endpoints
from classification_service.llm.opening import Opened, limits_of, open_language_model
from classification_service.llm.usage import UsageService
from classification_service.model_registry import endpoints as model_endpoints
from classification_service.model_registry.following import ModelFollower, Open
from classification_service.model_registry.service import ModelRegistry
from classification_service.pages import endpoints as page_endpoints
from classification_service.problems import PROBLEMS
from classification_service.reclassify import endpoints as reclassify_endpoints
from classification_service.reclassify.service import ReclassificationService
from classification_service.review import endpoints as review_endpoints
from classification_service.review.service import Rescorer, ReviewQueue
from classification_service.row_classifier import RowClassifier
from classification_service.settings import MIGRATIONS, Settings
from classification_service.taxonomies import endpoints as taxonomy_endpoints
from classification_service.taxonomies.catalogue import Catalogue
from classification_service.taxonomies.embedding import Embedder
from classification_service.taxonomies.following import Follower
from classification_service.taxonomies.models import Taxonomy
from classification_service.taxonomies.service import Taxonomies, load_starters
from classification_service.training_runs import endpoints as training_endpoints
from classification_service.training_runs.metrics import count_runs
from classification_service.training_runs.service import TrainingService
from nexus_chassis.app import Lifespan, build_app
from nexus_chassis.background import in_background
from nexus_chassis.errors import ConfigurationError
from nexus_chassis.health import Health
from nexus_chassis.limits import Limits
from nexus_chassis.postgres import open_database
from nexus_chassis.revocations import Revocations, follow_revocations
from nexus_chassis.settings import load
from nexus_chassis.tokens import TokenVerifier
from nexus_chassis.unit_of_work import Database
from nexus_chassis.worker_count import automatic_workers

LIMITS = Limits(running=16, wait_seconds=60)
"""A running request holds up to 1000 results; all of them share one processor, so that more at once are not faster."""


def open_registered(folder: Path, taxonomy: Taxonomy) -> OpenedModel:
    """The model in a folder that is named by its id in the registry, which its answers have too."""
    return replace(open_model(folder, taxonomy), id=folder.name)


def create_app(settings: Settings | None = None, open_model: Open[OpenedModel] = open_registered) -> FastAPI:
    """The service; settings come from the environment unless given. `open_model` opens trained models."""
    settings = settings or load(Settings)
    health = Health(settings.service_name, __version__)
    revocations = Revocations()
    return build_app(
        settings,
        version=__version__,
        lifespan=_lifespan(settings, health, revocations, open_model),
        health=health,
        routers=(
            classify_endpoints.router,
            reclassify_endpoints.router,
            feature_endpoints.router,
            feedback_endpoints.router,
            review_endpoints.router,
            taxonomy_endpoints.router,
            training_endpoints.router,
            model_endpoints.router,
            llm_endpoints.router,
            job_endpoints.router,
            page_endpoints.router,
            page_endpoints.files,
        ),
        problems=PROBLEMS,
        limits=LIMITS,
        verifier=TokenVerifier(settings.issuer, settings.service_name, settings.jwks_url, revocations=revocations),
    )


def _lifespan(settings: Settings, health: Health, revocations: Revocations, open_model: Open[OpenedModel]) -> Lifespan:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        taxonomies = load_starters()
        classifier = await asyncio.to_thread(_open, settings, taxonomies)

        async def check_model() -> None:
            await asyncio.to_thread(classifier.check)

        def service() -> ClassificationService:
            return ClassificationService(
                classifier,
                taxonomies,
                cache=cache,
                refinement=_refinement(settings, llm),
                labels=StoredLabels(database, classifier.encoders) if database else None,
                queue=ReviewQueue(database, settings.review_threshold) if database else None,
            )

        health.add("model", check_model, critical=True)
        async with (
            _database(settings) as database,
            open_cache(settings, database, health) as cache,
            open_language_model(settings, database, cache, health) as llm,
            follow_revocations(settings.revocations_url, revocations),
        ):
            if database is not None:
                _watch(database, health)
            review = ReviewQueue(database, settings.review_threshold) if database else None
            classification = service()
            catalogue = Catalogue(taxonomies, database, classifier.encoders.names)
            follower = _follower(database, taxonomies, classifier)
            models = _models(database, taxonomies, classifier, follower, open_model)
            features = FeatureService(Classes(database), taxonomies, classification)
            async with (
                _jobs(settings, database, taxonomies, RowClassifier(service(), features)) as jobs,
                _following(settings, database, classifier, follower, health),
                _following_models(database, models, health),
                _rescoring(settings, database, taxonomies, classification),
                in_background(features.warm()),
            ):
                app.state.context = Context(
                    settings=settings,
                    taxonomies=taxonomies,
                    catalogue=catalogue,
                    classifier=classifier,
                    classification=classification,
                    features=features,
                    jobs=jobs,
                    reclassification=ReclassificationService(catalogue, taxonomies, classification),
                    usage=UsageService(database, limits_of(settings), llm.language_model if llm else None, cache),
                    database=database,
                    feedback=_feedback(database, taxonomies, classification, catalogue, classifier),
                    review=review,
                    registry=ModelRegistry(database, taxonomies, settings.serving_bytes) if database else None,
                    model_follower=models,
                    training=TrainingService(database, settings.models) if database else None,
                )
                yield

    return lifespan


def _database(settings: Settings) -> AbstractAsyncContextManager[Database | None]:
    if (postgres := settings.postgres) is None:
        return nullcontext()
    return open_database(postgres, MIGRATIONS, workers=settings.workers)


def _watch(database: Database, health: Health) -> None:
    """A service that has its taxonomies goes on classifying while PostgreSQL is away; one that starts waits for it."""
    health.add("postgres", database.check, critical=False)
    health.wait_for(lambda: database.opened)


def _jobs(
    settings: Settings, database: Database | None, taxonomies: Taxonomies, classify: Classify
) -> AbstractAsyncContextManager[JobService]:
    """The jobs. What they classify with is not that of requests: these would have to take turns with batches of rows."""

    def loaded() -> list[tuple[str, str]]:
        return [(taxonomy.name, taxonomy.version) for taxonomy in taxonomies]

    return open_jobs(database, settings.redis, classify, loaded, timedelta(days=settings.job_days))


def _follower(database: Database | None, taxonomies: Taxonomies, classifier: Classifier) -> Follower | None:
    if database is None:
        return None
    return Follower(database, taxonomies, classifier.encoders, classifier.add)


def _models(
    database: Database | None,
    taxonomies: Taxonomies,
    classifier: Classifier,
    follower: Follower | None,
    open_model: Open[OpenedModel],
) -> ModelFollower[OpenedModel] | None:
    if database is None or follower is None:
        return None
    return ModelFollower(database, taxonomies, open_model, classifier.use, lambda: follower.followed)


@asynccontextmanager
async def _following_models(
    database: Database | None, models: ModelFollower[OpenedModel] | None, health: Health
) -> AsyncIterator[None]:
    """Context manager of the work that keeps trained models open; a service that starts waits for a first look."""
    if database is None or models is None:
        yield
        return
    health.add("models", models.check, critical=False)
    health.wait_for(lambda: models.followed)
    async with in_background(models.run()), in_background(count_runs(database)):
        yield


@asynccontextmanager
async def _following(
    settings: Settings,
    database: Database | None,
    classifier: Classifier,
    follower: Follower | None,
    health: Health,
) -> AsyncIterator[None]:
    """Context manager of the work that keeps imported taxonomies loaded; a service that starts waits for a first look."""
    if database is None or follower is None:
        yield
        return
    embedder = Embedder(database, classifier.encoders, max(1, automatic_workers() // settings.workers))
    health.wait_for(lambda: follower.followed)
    async with in_background(follower.run()), in_background(embedder.run()):
        try:
            yield
        finally:
            embedder.close()


def _feedback(
    database: Database | None,
    taxonomies: Taxonomies,
    classification: ClassificationService,
    catalogue: Catalogue,
    classifier: Classifier,
) -> FeedbackService | None:
    if database is None:
        return None
    encoders = classifier.encoders
    return FeedbackService(database, taxonomies, classification, catalogue=catalogue, encoders=encoders)


def _rescoring(
    settings: Settings, database: Database | None, taxonomies: Taxonomies, classification: ClassificationService
) -> AbstractAsyncContextManager[None]:
    """Context manager of the work that keeps the review queue as of the latest correction."""
    if database is None:
        return nullcontext()
    return in_background(Rescorer(database, taxonomies, classification, settings.review_threshold).run())


def _refinement(settings: Settings, llm: Opened | None) -> Refinement | None:
    if llm is None:
        return None
    return Refinement(llm.language_model, settings.llm_threshold, settings.llm_reliability)


def _open(settings: Settings, taxonomies: Taxonomies) -> Classifier:
    try:
        return open_classifier(settings, taxonomies)
    except ClassificationServiceError as error:
        raise ConfigurationError(str(error)) from None
