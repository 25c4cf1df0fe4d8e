"""The command `classify`: the work of a job by one process, against the taxonomies that the service would have."""

import asyncio
from pathlib import Path
from typing import Literal

from classification_service.jobs.local import ChunkClassifier, classify_table, open_source
from classification_service.jobs.models import ColumnMapping, Delimiter, JobOptions
from classification_service.opened import opened
from classification_service.settings import Settings
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
    tenant: str = "",
    features: bool = False,
) -> None:
    """Write the rows of `source` with the columns of their results; None for `target` is standard output.

    `engine` is where they are classified: in this process, or on the nodes of a Ray cluster. `tenant` is whose models and
    corrections count, empty for tokens without one.

    With `features` their values are filled in. Raises ClassificationServiceError, UnknownTaxonomyError.
    """

    async def run() -> None:
        async with opened(load(Settings), (taxonomy, version), language) as found:
            chosen = found.taxonomies.get(taxonomy, version).version
            options = JobOptions(
                taxonomy=taxonomy,
                version=chosen,
                language=language,
                mapping=mapping,
                encoding=encoding,
                delimiter=delimiter,
                features=features,
            )
            with open_source(source, options) as table:
                if engine == "ray":
                    from classification_service.ray_classification import answered  # noqa: PLC0415  an extra

                    await classify_table(table, target, options, answered(source, table.layout, options, tenant))
                else:
                    work = ChunkClassifier(table.layout, options, found.classify(), tenant)
                    await classify_table(table, target, options, work.answered(table.rows()))

    asyncio.run(run())
