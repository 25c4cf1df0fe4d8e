"""The command `classify`: the work of a job by one process, against the taxonomies that the service would have."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal

from classification_service.app import row_classifier
from classification_service.classify.classifier import Classifier, open_classifier
from classification_service.classify.service import ClassificationService
from classification_service.encoder.languages import is_english
from classification_service.errors import ClassificationServiceError
from classification_service.jobs.local import ChunkClassifier, classify_table, open_source
from classification_service.jobs.models import Classify, ColumnMapping, Delimiter, JobOptions
from classification_service.settings import MIGRATIONS, Settings
from classification_service.taxonomies.following import Follower, Wanted
from classification_service.taxonomies.service import Taxonomies, load_starters
from nexus_chassis.errors import ConfigurationError, DatabaseUnavailableError
from nexus_chassis.postgres import open_database
from nexus_chassis.settings import load

type Engine = Literal["local", "ray"]


def classify_file(
    source: Path,
    target: Path | None,
    taxonomy: str,
    *,
    version: str | None,
    language: str,
    mapping: ColumnMapping,
    encoding: str | None,
    delimiter: Delimiter | None,
    engine: Engine = "local",
) -> None:
    """Write the rows of `source` with the columns of their results; None for `target` is standard output.

    `engine` is where they are classified: in this process, or on the nodes of a Ray cluster.

    Raises ClassificationServiceError, UnknownTaxonomyError.
    """

    async def run() -> None:
        async with opened(load(Settings), (taxonomy, version), language) as (taxonomies, classifier):
            chosen = taxonomies.get(taxonomy, version).version
            options = JobOptions(
                taxonomy=taxonomy,
                version=chosen,
                language=language,
                mapping=mapping,
                encoding=encoding,
                delimiter=delimiter,
            )
            with open_source(source, options) as table:
                if engine == "ray":
                    from classification_service.ray_classification import answered  # noqa: PLC0415  an extra

                    await classify_table(table, target, options, answered(source, table.layout, options))
                else:
                    work = ChunkClassifier(table.layout, options, classify_by(taxonomies, classifier))
                    await classify_table(table, target, options, work.answered(table.rows()))

    asyncio.run(run())


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
