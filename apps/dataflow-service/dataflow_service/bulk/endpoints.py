"""POST /v1/{model}/bulk, GET /v1/{model}/export."""

from collections.abc import AsyncGenerator, AsyncIterator
from functools import partial
from typing import Any

from fastapi import Request, Response
from pydantic_core import to_json

from dataflow_service.bulk import encoding, readers
from dataflow_service.bulk.answers import ExportAnswer
from dataflow_service.bulk.csv_reader import csv_rows
from dataflow_service.bulk.dependencies import Bulk
from dataflow_service.bulk.lines import BLOCK_BYTES
from dataflow_service.bulk.operations import Operation
from dataflow_service.bulk.parquet import parquet
from dataflow_service.bulk.parsing import operation_of_address
from dataflow_service.bulk.readers import Batch
from dataflow_service.bulk.schemas import (
    CHANGED,
    EXPORTED,
    JSON,
    MEDIA_TYPES,
    NDJSON,
    ROWS_BODY,
    BulkResult,
    FormatParameter,
    OperationParameter,
)
from dataflow_service.bulk.writing import write_array
from dataflow_service.idempotency.http import (
    IDEMPOTENCY_KEY,
    read_json_attempt,
    respond,
    respond_to_stream,
    stream_attempt,
)
from dataflow_service.idempotency.models import Answer, hashed
from dataflow_service.records import query_parsing
from dataflow_service.records.dependencies import ModelAtPath, Reader, Records, Writer
from dataflow_service.records.endpoints import MAX_BULK_BYTES
from dataflow_service.records.parsing import each
from dataflow_service.records.preferences import preference_applied, prefers_texts
from dataflow_service.records.schemas import (
    PREFER,
    FieldsParameter,
    FilterParameter,
    OnParameter,
    OrderParameter,
    SearchParameter,
)
from dataflow_service.records.service import RecordService
from dataflow_service.records.writer import Writing
from nexus_chassis.principal import Principal
from nexus_chassis.request_body import require_media_type, stream_body
from nexus_chassis.routing import Router

router = Router(prefix="/v1/{path}", tags=["rows"])


@router.post(
    "/bulk",
    status_code=201,
    openapi_extra=ROWS_BODY | IDEMPOTENCY_KEY,
    responses=CHANGED,
    response_model=BulkResult,
)
async def write_rows(
    request: Request,
    principal: Writer,
    model: ModelAtPath,
    bulk: Bulk,
    records: Records,
    *,
    operation: OperationParameter = "create",
    on: OnParameter = None,
) -> Response:
    """Create, upsert, update or delete each row of a JSON array, of NDJSON or of CSV, all or none.

    The status is 201 for `operation=create`, and 200 for the others.
    """
    media_type = require_media_type(request, MEDIA_TYPES)
    chosen = operation_of_address(model, operation, on)
    status = 201 if operation == "create" else 200
    if media_type == JSON:
        return await _write_array(request, principal, records, chosen, status)
    attempt = stream_attempt(request, principal, media_type)
    async with bulk.receiving(principal, model, operation) as progress:
        body = progress.reading(stream_body(request, bulk.limits.size, reserved=BLOCK_BYTES))
        parts = body if attempt is None else hashed(body, attempt.hash)

        async def write(writing: Writing) -> Answer:
            batches = read_batches(parts, media_type, chosen)
            return Answer(to_json(await bulk.write_stream(writing, chosen, batches, progress)), status)

        return await respond_to_stream(attempt, parts, partial(records.writing, principal), write)


async def _write_array(
    request: Request, principal: Principal, records: RecordService, operation: Operation[Any], status: int
) -> Response:
    parse = partial(each, parse=operation.parse)
    rows, attempt = await read_json_attempt(request, principal, MAX_BULK_BYTES, parse)

    async def write(writing: Writing) -> Answer:
        written = await write_array(writing, operation, rows)
        counts = {name: written.counts[name] for name in operation.counted}
        return Answer(to_json({**counts, "ids": written.ids}), status)

    return await respond(attempt, partial(records.writing, principal), write)


@router.get(
    "/export",
    openapi_extra=PREFER,
    responses=EXPORTED,
    response_class=Response,
)
async def export_rows(
    request: Request,
    principal: Reader,
    model: ModelAtPath,
    bulk: Bulk,
    *,
    format: FormatParameter = "ndjson",  # noqa: A002 - its name in addresses
    filter: FilterParameter = None,  # noqa: A002 - its name in addresses
    search: SearchParameter = None,
    fields: FieldsParameter = None,
    order: OrderParameter = None,
) -> Response:
    """Return all rows of a filter and a search as they are at one moment, with the fields and in the order asked for."""
    query_parsing.check_encoding(request.scope["query_string"])
    limit = query_parsing.MAX_LIMIT
    query = query_parsing.of_address(
        model, filter_text=filter, fields=fields, order=order, after=None, limit=limit, search=search
    )
    texts = format == "ndjson" and prefers_texts(request.headers)
    match format:
        case "csv":
            written = encoding.csv_format(query.fields)
        case "parquet":
            written = parquet(query.fields)
        case "ndjson":
            written = encoding.ndjson(query.fields, texts=texts)
    return ExportAnswer(bulk.export(principal, model, query), written, preference_applied(texts=texts))


def read_batches(parts: AsyncIterator[bytes], media_type: str, operation: Operation[Any]) -> AsyncGenerator[Batch]:
    """Yield the rows of a stream of one of the media types."""
    return readers.json_lines(parts) if media_type == NDJSON else csv_rows(parts, operation.model, operation.names)
