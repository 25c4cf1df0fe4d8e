"""/v1/{model}/imports: large files in parts."""

import hashlib
from collections.abc import Mapping
from functools import partial
from typing import Annotated

from fastapi import Query, Request, Response

from dataflow_service.bulk.dependencies import Bulk
from dataflow_service.bulk.endpoints import read_batches
from dataflow_service.bulk.lines import BLOCK_BYTES
from dataflow_service.bulk.parsing import operation_of_address
from dataflow_service.bulk.schemas import CSV, NDJSON, OperationParameter
from dataflow_service.idempotency.models import hashed
from dataflow_service.imports.dependencies import Imports
from dataflow_service.imports.models import Import
from dataflow_service.imports.schemas import MAX_PARTS, PART_BODY, ImportId, ImportPart, ImportParts, PartNumber
from dataflow_service.imports.service import PartToWrite
from dataflow_service.records.dependencies import ModelAtPath, Reader, Records, Writer
from dataflow_service.records.schemas import OnParameter
from dataflow_service.records.writer import Writing
from nexus_chassis.request_body import require_media_type, stream_body
from nexus_chassis.routing import Router

MAX_LIMIT = 1000

router = Router(prefix="/v1/{path}/imports", tags=["rows"])


@router.put(
    "/{import_id}/parts/{part}",
    status_code=201,
    openapi_extra=PART_BODY,
    responses={200: {"description": "the part was in already", "model": ImportPart}},
)
async def add_import_part(
    request: Request,
    response: Response,
    principal: Writer,
    model: ModelAtPath,
    bulk: Bulk,
    *,
    imports: Imports,
    records: Records,
    import_id: ImportId,
    part: PartNumber,
    operation: OperationParameter = "create",
    on: OnParameter = None,
) -> ImportPart:
    """Write a part of a file as `bulk` does, in one transaction, unless it is in already."""
    media_type = require_media_type(request, (NDJSON, CSV))
    chosen = operation_of_address(model, operation, on)
    digest = hashlib.sha256()
    async with bulk.receiving(principal, model, operation) as progress:
        parts = hashed(progress.reading(stream_body(request, bulk.limits.size, reserved=BLOCK_BYTES)), digest)

        async def write(writing: Writing) -> Mapping[str, int]:
            return await bulk.write_stream(writing, chosen, read_batches(parts, media_type, chosen), progress)

        sent_as = f"{media_type} {operation} {on or ''}"
        sent = PartToWrite(Import.of(principal, model, import_id), part, sent_as, progress, digest, parts, write)
        found, is_new = await imports.add(sent, partial(records.writing, principal))
    response.status_code = 201 if is_new else 200
    return ImportPart.of(found)


@router.get("/{import_id}")
async def list_import_parts(
    principal: Reader,
    model: ModelAtPath,
    imports: Imports,
    import_id: ImportId,
    *,
    after: Annotated[int, Query(ge=0, le=MAX_PARTS, description="the `next` of the page before")] = 0,
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = MAX_LIMIT,
) -> ImportParts:
    """List the parts of an import of the caller that are in; those that are missing are to be sent."""
    parts, following = await imports.page(Import.of(principal, model, import_id), after=after, limit=limit)
    return ImportParts(items=[ImportPart.of(part) for part in parts], next=following)
