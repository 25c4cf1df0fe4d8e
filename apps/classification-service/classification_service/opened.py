"""The classifier of a command, which has the taxonomies that the service would have."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from classification_service.app import row_classifier
from classification_service.classify.classifier import Classifier, open_classifier
from classification_service.classify.service import ClassificationService
from classification_service.encoder.languages import is_english
from classification_service.errors import ClassificationServiceError
from classification_service.jobs.models import Classify
from classification_service.settings import MIGRATIONS, Settings
from classification_service.taxonomies.following import Follower, Wanted
from classification_service.taxonomies.service import Taxonomies, load_starters
from nexus_chassis.errors import ConfigurationError, DatabaseUnavailableError
from nexus_chassis.postgres import open_database


def classify_by(taxonomies: Taxonomies, classifier: Classifier) -> Classify:
    """Classifies rows of files as the service would, without its stores."""
    return row_classifier(ClassificationService(classifier, taxonomies))


@asynccontextmanager
async def opened(
    settings: Settings, wanted: Wanted, language: str = "en"
) -> AsyncIterator[tuple[Taxonomies, Classifier]]:
    """The taxonomies and their classifier; with a database, the wanted one even if it was imported."""
    taxonomies = load_starters()
    classifier = open_classifier(settings, taxonomies)
    if settings.postgres is None:
        yield taxonomies, classifier
        return
    try:
        async with open_database(settings.postgres, MIGRATIONS) as database:
            await Follower(database, taxonomies, classifier.encoders, classifier.add).follow(
                wanted, multilingual=not is_english(language)
            )
            yield taxonomies, classifier
    except (ConfigurationError, DatabaseUnavailableError) as error:
        raise ClassificationServiceError(str(error)) from None
