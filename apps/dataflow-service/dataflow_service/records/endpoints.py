"""/v1/{model} and below: rows."""

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import Query, Request, Response
from pydantic_core import to_json

from dataflow_service.idempotency.http import IDEMPOTENCY_KEY, bodiless_attempt, read_json_attempt, respond
from dataflow_service.idempotency.models import JSON, Answer
from dataflow_service.records import encoding, parsing, preconditions, query_parsing, repository
from dataflow_service.records.dependencies import ModelAtPath, Reader, Records, Writer
from dataflow_service.records.preferences import preference_applied, prefers_texts
from dataflow_service.records.query import GroupQuery
from dataflow_service.records.repository import Row as Record
from dataflow_service.records.schemas import (
    CREATED,
    IF_MATCH,
    IF_NONE_MATCH,
    NOT_MODIFIED,
    PREFER,
    QUERY_BODY,
    ROW_BODY,
    AfterParameter,
    DeletedParameter,
    ExpandParameter,
    FieldsParameter,
    FilterParameter,
    GroupPage,
    OnParameter,
    OrderParameter,
    Row,
    RowCount,
    RowPage,
    SearchParameter,
    with_headers,
)
from dataflow_service.records.service import Page
from dataflow_service.records.writer import Writing
from dataflow_service.registry.model import ROW_VERSION, Model
from nexus_chassis.challenges import forbidden
from nexus_chassis.disconnect import cancel_on_disconnect
from nexus_chassis.request_body import read_json
from nexus_chassis.routing import Router

MAX_BODY_BYTES = 256 * 1024
"""Bytes of a body with one row: escaped, the texts of a row take up to three times their size, or six for ASCII."""

MAX_BULK_BYTES = 4 * 1024 * 1024
"""Bytes of a body with many rows."""

router = Router(prefix="/v1/{path}", tags=["rows"])


@router.get("", openapi_extra=PREFER, response_model=RowPage)
async def list_rows(
    request: Request,
    principal: Reader,
    model: ModelAtPath,
    records: Records,
    *,
    filter: FilterParameter = None,  # noqa: A002 - its name in addresses
    search: SearchParameter = None,
    fields: FieldsParameter = None,
    order: OrderParameter = None,
    after: AfterParameter = None,
    limit: Annotated[int, Query(ge=1, le=query_parsing.MAX_LIMIT)] = query_parsing.DEFAULT_LIMIT,
    expand: ExpandParameter = None,
    deleted: DeletedParameter = False,
) -> Response:
    """List rows: those of a filter and a search, with the fields and in the order asked for, page by page."""
    query_parsing.check_encoding(request.scope["query_string"])
    if deleted and "data:write" not in principal.scopes:
        raise forbidden({"data:write"})
    query = query_parsing.of_address(
        model,
        filter_text=filter,
        fields=fields,
        order=order,
        after=after,
        limit=limit,
        expand=expand,
        search=search,
        deleted=deleted,
    )
    page = await cancel_on_disconnect(request, records.read_page(principal, model, query))
    return _page(request, page)


@router.post("/query", openapi_extra=QUERY_BODY | PREFER, response_model=RowPage | GroupPage)
async def query_rows(request: Request, principal: Reader, model: ModelAtPath, records: Records) -> Response:
    """List rows as GET does, or groups of rows with aggregates."""
    query = query_parsing.of_body(model, await _read(request, MAX_BODY_BYTES))
    if isinstance(query, GroupQuery):
        groups = await cancel_on_disconnect(request, records.read_groups(principal, model, query))
        texts = prefers_texts(request.headers)
        return _json(encoding.groups_json(groups, texts=texts), headers=preference_applied(texts=texts))
    page = await cancel_on_disconnect(request, records.read_page(principal, model, query))
    return _page(request, page)


@router.post("", status_code=201, openapi_extra=ROW_BODY | with_headers(IDEMPOTENCY_KEY, PREFER), response_model=Row)
async def create_row(request: Request, principal: Writer, model: ModelAtPath, records: Records) -> Response:
    """Create a row."""
    parse = partial(parsing.new_row, model)
    values, attempt = await read_json_attempt(request, principal, MAX_BODY_BYTES, parse)

    async def create(writing: Writing) -> Answer:
        async with writing() as rows:
            row = await rows.create(model, values)
        content, headers = _content(request, model, row)
        return Answer(content, 201, {**JSON, **_location(model, row), **headers})

    opening = partial(records.writing, principal) if attempt else partial(records.writing_one, principal, model)
    return await respond(attempt, opening, create)


@router.post(
    "/upsert",
    openapi_extra=ROW_BODY | with_headers(IF_MATCH, IDEMPOTENCY_KEY, PREFER),
    response_model=Row,
    responses={201: {"description": "the row was created", "model": Row}},
)
async def upsert_row(
    request: Request, principal: Writer, model: ModelAtPath, records: Records, *, on: OnParameter = None
) -> Response:
    """Create a row, or set the fields that are sent in the one that has the same values of the fields `on`."""
    unique = parsing.unique_fields(model, on)
    check = preconditions.check_of_upsert(model, request.headers)
    parse = partial(parsing.upserted_row, model, unique=unique, place=parsing.BODY)
    (values, names), attempt = await read_json_attempt(request, principal, MAX_BODY_BYTES, parse)
    changed = {name: values[name] for name in names if name not in unique}

    async def upsert(writing: Writing) -> Answer:
        async with writing() as rows:
            row, is_new = await rows.upsert(model, values, unique=unique, changed=changed)
            check(row, None if is_new else row[ROW_VERSION] - bool(changed))
        content, headers = _content(request, model, row)
        location = _location(model, row, "../") if is_new else {}
        return Answer(content, 201 if is_new else 200, {**JSON, **location, **headers})

    return await respond(attempt, partial(records.writing, principal), upsert)


@router.get("/count", response_model=RowCount)
async def count_rows(
    request: Request,
    principal: Reader,
    model: ModelAtPath,
    records: Records,
    *,
    filter: FilterParameter = None,  # noqa: A002 - its name in addresses
    search: SearchParameter = None,
) -> Response:
    """Count the rows of a filter and a search, or all."""
    query_parsing.check_encoding(request.scope["query_string"])
    wanted = query_parsing.wanted_of_address(model, filter, search)
    return _json(to_json({"count": await cancel_on_disconnect(request, records.count(principal, model, *wanted))}))


@router.get("/{row_id}", openapi_extra=with_headers(IF_NONE_MATCH, PREFER), responses=NOT_MODIFIED, response_model=Row)
async def read_row(
    request: Request,
    principal: Reader,
    model: ModelAtPath,
    records: Records,
    row_id: str,
    *,
    expand: ExpandParameter = None,
) -> Response:
    """Return a row. With the rows that it refers to it has no ETag: they change without it."""
    identity = parsing.row_id(model, row_id)
    if expand is not None:
        query = query_parsing.of_row(model, identity, expand)
        page = await records.read_expanded(principal, model, identity, query)
        texts = prefers_texts(request.headers)
        return _json(encoding.expanded_json(page, texts=texts), headers=preference_applied(texts=texts))
    row = await records.read(principal, model, identity)
    content, headers = _content(request, model, row)
    if preconditions.is_known(request.headers, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return _json(content, headers=headers)


@router.patch("/{row_id}", openapi_extra=ROW_BODY | with_headers(IF_MATCH, PREFER), response_model=Row)
async def change_row(
    request: Request, principal: Writer, model: ModelAtPath, records: Records, row_id: str
) -> Response:
    """Set the fields that are sent, and leave the others."""
    identity = parsing.row_id(model, row_id)
    versions = preconditions.wanted_versions(model, request.headers)
    values = parsing.change(model, await _read(request, MAX_BODY_BYTES))
    async with records.writing_one(principal, model) as rows:
        row = await rows.change(model, identity, values, versions)
    content, headers = _content(request, model, row)
    return _json(content, headers=headers)


@router.put(
    "/{row_id}",
    openapi_extra=ROW_BODY | with_headers(IF_MATCH, PREFER),
    response_model=Row,
    responses=CREATED,
)
async def replace_row(
    request: Request, principal: Writer, model: ModelAtPath, records: Records, row_id: str
) -> Response:
    """Set all fields; those that are not sent get their defaults. Where callers choose ids, a missing row is created."""
    identity = parsing.row_id(model, row_id)
    versions = preconditions.wanted_versions(model, request.headers)
    values = parsing.replacing_row(model, identity, await _read(request, MAX_BODY_BYTES))
    async with records.writing_one(principal, model) as rows:
        row, is_new = await rows.replace(model, identity, values, versions, create="if-match" not in request.headers)
    content, headers = _content(request, model, row)
    return _json(content, 201 if is_new else 200, headers | (_location(model, row) if is_new else {}))


@router.delete("/{row_id}", status_code=204, openapi_extra=IF_MATCH)
async def delete_row(
    request: Request, principal: Writer, model: ModelAtPath, records: Records, row_id: str
) -> Response:
    """Delete a row."""
    identity = parsing.row_id(model, row_id)
    versions = preconditions.wanted_versions(model, request.headers)
    await records.delete(principal, model, identity, versions)
    return Response(status_code=204)


@router.post("/{row_id}/restore", openapi_extra=with_headers(IDEMPOTENCY_KEY, PREFER), response_model=Row)
async def restore_row(
    request: Request, principal: Writer, model: ModelAtPath, records: Records, row_id: str
) -> Response:
    """Restore a deleted row. Rows that were deleted with it stay deleted."""
    identity = parsing.row_id(model, row_id)

    async def restore(writing: Writing) -> Answer:
        async with writing() as rows:
            row = await rows.restore(model, identity)
        content, headers = _content(request, model, row)
        return Answer(content, 200, {**JSON, **headers})

    return await respond(bodiless_attempt(request, principal), partial(records.writing, principal), restore)


def _location(model: Model, row: Record, up: str = "") -> dict[str, str]:
    """Return the address of a row: relative, so that it is also right behind a gateway."""
    return {"Location": f"{up}{model.path}/{quote(str(row['id']), safe='')}"}


async def _read(request: Request, limit: int) -> Any:  # noqa: ANN401 - any JSON value
    return await read_json(request, limit, decimals=True)


def _content(request: Request, model: Model, row: repository.Row) -> tuple[bytes, dict[str, str]]:
    """Return a row as JSON, and the header fields that belong to it."""
    texts = prefers_texts(request.headers)
    headers = {**preconditions.etag(row, texts=texts), **preference_applied(texts=texts)}
    return encoding.row_json(model, row, texts=texts), headers


def _page(request: Request, page: Page) -> Response:
    texts = prefers_texts(request.headers)
    return _json(encoding.page_json(page, texts=texts), headers=preference_applied(texts=texts))


def _json(content: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(content, status, headers, media_type="application/json")
