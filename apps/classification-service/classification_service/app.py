"""The application."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from classification_service import __version__
from classification_service.classify import endpoints as classify_endpoints
from classification_service.classify.classifier import Classifier
from classification_service.classify.service import ClassificationService
from classification_service.encoder.encoder import SentenceEncoder
from classification_service.errors import ClassificationServiceError
from classification_service.models import endpoints as models_endpoints
from classification_service.settings import Settings
from classification_service.taxonomies import endpoints as taxonomies_endpoints
from classification_service.taxonomies.service import Taxonomies, load_starters
from nexus_chassis.app import build_app
from nexus_chassis.errors import ConfigurationError
from nexus_chassis.health import Health
from nexus_chassis.settings import load
from nexus_chassis.tokens import TokenVerifier

_PROBE = "ball bearing"


def create_app(settings: Settings | None = None) -> FastAPI:
    """The service; settings come from the environment unless given."""
    settings = settings or load(Settings)
    health = Health(settings.service_name, __version__)
    app = build_app(
        settings,
        version=__version__,
        lifespan=_lifespan,
        health=health,
        routers=(classify_endpoints.router, taxonomies_endpoints.router, models_endpoints.router),
    )

    async def check_model() -> None:
        await asyncio.to_thread(app.state.classifier.encoder.encode, [_PROBE])

    health.add("model", check_model, critical=True)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    settings: Settings = app.state.settings
    state = app.state
    state.token_verifier = TokenVerifier(settings.issuer, settings.service_name, settings.jwks_url)
    state.taxonomies = load_starters()
    state.classifier = await asyncio.to_thread(open_classifier, settings, state.taxonomies)
    state.classification = ClassificationService(state.classifier, state.taxonomies)
    yield


def open_classifier(settings: Settings, taxonomies: Taxonomies) -> Classifier:
    """The classifier, warm; raises ConfigurationError when encoder folder or device are not what they should be."""
    try:
        encoder = SentenceEncoder(settings.encoder_dir, settings.encoder_threads, settings.device)
    except ClassificationServiceError as error:
        raise ConfigurationError(str(error)) from None
    encoder.encode([_PROBE])
    return Classifier(encoder, taxonomies)
