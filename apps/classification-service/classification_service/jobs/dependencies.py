"""What the endpoints of jobs depend on."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, BinaryIO, cast

from fastapi import Depends, Request

from classification_service.context import ContextOfApp
from classification_service.jobs.models import ColumnMapping, JobOptions, Owner
from classification_service.jobs.schemas import (
    FILE_TYPES,
    AttributeColumns,
    DelimiterParameter,
    EncodingParameter,
    FeaturesParameter,
    LanguageParameter,
    LlmParameter,
    ReviewParameter,
    TaxonomyParameter,
    TextColumns,
    VersionParameter,
)
from classification_service.jobs.service import JobService
from nexus_chassis.limits import MIB
from nexus_chassis.principal import Principal
from nexus_chassis.request_body import require_media_type, stream_body
from nexus_chassis.tokens import authenticate

PREVIEW_BYTES = 32 * MIB
"""Bytes of a file that a preview takes; the beginning of a text file is enough."""


async def get_jobs(context: ContextOfApp) -> JobService:
    """The service of jobs."""
    return context.jobs


async def get_owner(principal: Annotated[Principal, Depends(authenticate)]) -> Owner:
    """Who asks."""
    return Owner(principal.tenant or "", principal.subject)


async def get_options(
    context: ContextOfApp,
    taxonomy: TaxonomyParameter,
    *,
    version: VersionParameter = None,
    text_column: TextColumns = ["text"],  # noqa: B006  never changed
    attribute_column: AttributeColumns = [],  # noqa: B006  the same
    encoding: EncodingParameter = None,
    delimiter: DelimiterParameter = None,
    llm: LlmParameter = "auto",
    review: ReviewParameter = False,
    language: LanguageParameter = "en",
    features: FeaturesParameter = False,
) -> JobOptions:
    """What is asked for; the version is fixed for the whole job. Raises UnknownTaxonomyError, FeaturesOfOtherTaxonomyError."""
    return JobOptions(
        taxonomy=taxonomy,
        version=context.taxonomies.get(taxonomy, version).version,
        mapping=ColumnMapping(text_column, attribute_column),
        encoding=encoding,
        delimiter=delimiter,
        llm=llm,
        review=review,
        language=language,
        features=features,
    )


def _stream(request: Request, limit: int) -> AsyncIterator[bytes]:
    require_media_type(request, FILE_TYPES)
    return stream_body(request, limit, reserved=2 * MIB)


async def stream_file(request: Request, context: ContextOfApp) -> AsyncIterator[bytes]:
    """The body as it arrives; raises Problem 413, 415, 429 or 503, the first and the last two while it is read."""
    return _stream(request, context.settings.job_bytes)


@asynccontextmanager
async def receive_beginning(request: Request) -> AsyncIterator[BinaryIO]:
    """Context manager of a temporary file with the body of a preview; raises as `stream_file` does."""
    with tempfile.TemporaryFile() as file:
        async for part in _stream(request, PREVIEW_BYTES):
            await asyncio.to_thread(file.write, part)
        yield cast("BinaryIO", file)


Jobs = Annotated[JobService, Depends(get_jobs)]
OwnerOfJobs = Annotated[Owner, Depends(get_owner)]
FileStream = Annotated[AsyncIterator[bytes], Depends(stream_file)]
Options = Annotated[JobOptions, Depends(get_options)]
