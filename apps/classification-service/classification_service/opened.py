"""The classifier of a command, which has the taxonomies that the service would have."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from classification_service.app import open_registered
from classification_service.classify.classifier import Classifier, open_classifier
from classification_service.classify.service import ClassificationService
from classification_service.encoder.languages import is_english
from classification_service.errors import ClassificationServiceError
from classification_service.features.classes import Classes
from classification_service.features.service import FeatureService
from classification_service.feedback.labels import StoredLabels
from classification_service.model_registry.following import ModelFollower
from classification_service.row_classifier import RowClassifier
from classification_service.settings import MIGRATIONS, Settings
from classification_service.taxonomies.following import Follower, Wanted
from classification_service.taxonomies.service import Taxonomies, load_starters
from nexus_chassis.errors import ConfigurationError, DatabaseUnavailableError
from nexus_chassis.postgres import open_database
from nexus_chassis.unit_of_work import Database


@dataclass(frozen=True, slots=True)
class Opened:
    """What a command classifies with; `database` has the corrections, None where there is none."""

    taxonomies: Taxonomies
    classifier: Classifier
    database: Database | None = None

    def classify(self) -> RowClassifier:
        """Classifies rows of files, as the service does in its jobs."""
        labels = None if self.database is None else StoredLabels(self.database, self.classifier.encoders)
        classification = ClassificationService(self.classifier, self.taxonomies, labels=labels)
        features = FeatureService(Classes(self.database), self.taxonomies, classification)
        return RowClassifier(classification, features)


@asynccontextmanager
async def opened(settings: Settings, wanted: Wanted, language: str = "en") -> AsyncIterator[Opened]:
    """Context manager of the classifier; with a database, it has the wanted taxonomy even if it was imported.

    It then answers by the trained models and the corrections that the service would answer by.
    """
    taxonomies = load_starters()
    classifier = open_classifier(settings, taxonomies)
    if settings.postgres is None:
        yield Opened(taxonomies, classifier)
        return
    try:
        async with open_database(settings.postgres, MIGRATIONS) as database:
            await Follower(database, taxonomies, classifier.encoders, classifier.add).follow(
                wanted, multilingual=not is_english(language)
            )
            await ModelFollower(database, taxonomies, open_registered, classifier.use, lambda: True).follow()
            yield Opened(taxonomies, classifier, database)
    except (ConfigurationError, DatabaseUnavailableError) as error:
        raise ClassificationServiceError(str(error)) from None
