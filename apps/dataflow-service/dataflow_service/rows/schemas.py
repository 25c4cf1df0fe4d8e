"""Reads what callers send, and tells what is wrong with it by field."""

from typing import Any

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from dataflow_service.catalogue.schemas import Field, Model
from nexus_chassis.problems import Problem

MOST_ROWS = 1000
"""Rows in one request; the channel that tells of them keeps as many events."""

MOST_BYTES = 16 * 1024 * 1024
"""Bytes of one request body."""

_MOST_FAULTS = 100

type Values = dict[str, Any]
"""Column values by field name."""


def new_row(model: Model, body: bytes) -> Values:
    """Read a JSON object as a new row.

    Raises:
        RequestValidationError: It is not one; each fault is named with its field.
    """
    try:
        return _values(model.written, model.create.model_validate_json(body))
    except ValidationError as error:
        raise _refusal(model, error) from None


def new_rows(model: Model, body: bytes) -> list[Values]:
    """Read a JSON array as new rows.

    Raises:
        RequestValidationError: A row is not valid; each fault is named with its place in the array and its field.
        Problem: 413, there are too many rows.
    """
    try:
        rows = model.create_many.validate_json(body)
    except ValidationError as error:
        raise _refusal(model, error) from None
    if len(rows) > MOST_ROWS:
        raise too_many_rows(len(rows))
    return [_values(model.written, row) for row in rows]


def change(model: Model, body: bytes) -> Values:
    """Read a JSON object as a change: only the fields that it names.

    Raises:
        RequestValidationError: A field is unknown or its value not valid, or no field is named.
    """
    try:
        row = model.change.model_validate_json(body)
    except ValidationError as error:
        raise _refusal(model, error) from None
    sent = [field for field in model.written if field.name in row.model_fields_set]
    if not sent:
        raise RequestValidationError(
            [{"loc": ("body",), "msg": f"names no field; name at least one of {_names(model)}"}]
        )
    return _values(sent, row)


def row_id(model: Model, text: str, *place: str) -> Any:  # noqa: ANN401 - models choose the type of their id
    """Read an id in an address, at `place` in the request: the path, unless said otherwise.

    Raises:
        RequestValidationError: It cannot be an id of this model.
    """
    try:
        return model.identifier.validate_strings(text)
    except ValidationError as error:
        faults = [{"loc": place or ("path", "id"), "msg": _explain(model, fault)} for fault in error.errors()]
        raise RequestValidationError(faults) from None


def too_many_rows(found: int) -> Problem:
    """413 for a bulk request with too many rows."""
    detail = f"There are {found} rows in the array; one request takes {MOST_ROWS}. Send the array in parts."
    return Problem(413, "too-many-rows", "There are too many rows in one request", detail, most=MOST_ROWS)


def _values(fields: list[Field], row: BaseModel) -> Values:
    return {field.name: getattr(row, field.name) for field in fields}


def _refusal(model: Model, error: ValidationError) -> RequestValidationError:
    found = error.errors(include_url=False, include_context=True)
    faults = [{"loc": ("body", *fault["loc"]), "msg": _explain(model, fault)} for fault in found[:_MOST_FAULTS]]
    if (more := len(found) - _MOST_FAULTS) > 0:
        faults.append({"loc": ("body",), "msg": f"has {more} more faults like these"})
    return RequestValidationError(faults)


def _explain(model: Model, fault: ErrorDetails) -> str:
    match fault["type"]:
        case "extra_forbidden" if fault["loc"][-1] in {field.name for field in model.fields}:
            return "is set by the service; leave it out"
        case "extra_forbidden":
            return f"is no field of {model.name}; its fields are {_names(model)}"
        case "missing":
            return "is missing"
        case "value_error":
            return str(fault["ctx"]["error"])
    return fault["msg"]


def _names(model: Model) -> str:
    return ", ".join(field.name for field in model.written)
