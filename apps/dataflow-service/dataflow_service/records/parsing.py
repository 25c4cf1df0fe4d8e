"""Makes column values of parsed JSON, and names what is wrong with it by field.

Unknown fields are counted before anything else is checked, and rows are checked until there are enough faults: what a
refusal costs does not depend on how wrong the body is.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from functools import partial
from itertools import islice
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, to_json

from dataflow_service.records.errors import (
    MAX_FAULTS,
    Fault,
    InvalidQueryError,
    InvalidRowError,
    NoSuchRowError,
    TooManyRowsError,
)
from dataflow_service.registry.declarations import DELETED_AT
from dataflow_service.registry.model import SERVICE_FIELDS, Field, Model
from dataflow_service.registry.validation import reason

MAX_ROWS = 1000
"""Rows in one request; a channel keeps as many events."""

MAX_ROW_BYTES = 64 * 1024
"""Bytes of the texts, JSON fields and lists of one row, in UTF-8. A page of rows can so have a bound too."""

_MAX_NAME_LENGTH = 100

type Values = dict[str, Any]
"""Column values by field name."""

type Place = tuple[str | int, ...]
"""Where in a request something is; it begins with the part of the request."""

BODY: Place = ("body",)


def new_row(model: Model, document: object, place: Place = BODY) -> Values:
    """Return the column values of a new row; what the object does not name gets its default.

    Raises:
        InvalidRowError: It is no object, or no row of the model.
    """
    return _values(model.inserted, _validated(model, model.create, model.names_of_new, document, place), place)


def replacing_row(model: Model, row_id: object, document: object) -> Values:
    """Return the column values that replace those of the row with an id, or of a new row where callers choose ids.

    Raises:
        InvalidRowError: It is no object, no row of the model, or has another id.
    """
    if not model.has_own_ids or not isinstance(document, dict):
        return new_row(model, document)
    if document.setdefault("id", str(row_id)) != str(row_id):
        raise InvalidRowError([Fault((*BODY, "id"), "should be the id in the address, or left out")])
    return new_row(model, document)


def identified_row(model: Model, document: object, unique: Sequence[str], place: Place) -> Values:
    """Return the column values of a new row that its `unique` fields identify.

    Raises:
        InvalidRowError: It is no row of the model, or one of the fields is null: no row is the same as such a row.
    """
    row = new_row(model, document, place)
    if missing := [name for name in unique if row[name] is None]:
        raise InvalidRowError([Fault((*place, name), "should have a value: it identifies the row") for name in missing])
    return row


def upserted_row(model: Model, document: object, unique: Sequence[str], place: Place) -> tuple[Values, tuple[str, ...]]:
    """Return the column values of a new row that its `unique` fields identify, and the names of the fields that are sent.

    Raises:
        InvalidRowError: As `identified_row` does.
    """
    values = identified_row(model, document, unique, place)
    assert isinstance(document, dict)  # noqa: S101 - for mypy; what makes rows has checked it
    return values, tuple(field.name for field in model.written if field.name in document)


def unique_fields(model: Model, on: str | None) -> list[str]:
    """Return the fields of the unique index that the parameter `on` of an address names, with commas.

    Raises:
        InvalidQueryError: It is missing, or names other fields.
    """
    found = None if on is None else model.unique_index(on.split(","))
    if found is None:
        listed = " or ".join(",".join(fields) for fields in model.unique_indexes) or "none"
        text = f"should have the fields of a unique index of {model.name}: {listed}"
        raise InvalidQueryError([Fault(("query", "on"), text)])
    return found


def unique_key(row: Values, unique: Sequence[str]) -> tuple[object, ...]:
    """Return what two rows have in common that have the same values of `unique` fields."""
    return tuple(tuple(value) if isinstance(value, list) else value for value in map(row.__getitem__, unique))


def new_rows(model: Model, documents: object, place: Place = BODY) -> list[Values]:
    """Return the column values of each new row of an array.

    Raises:
        InvalidRowError: It is no array, or an item is no row; each fault is named with its place in the array.
        TooManyRowsError: There are more than `MAX_ROWS`.
    """
    return each(documents, partial(new_row, model), place)


def each[T](documents: object, parse: Callable[[object, Place], T], place: Place = BODY) -> list[T]:
    """Return what `parse` makes of each item of an array and its place.

    Raises:
        InvalidRowError: It is no array, or `parse` refuses items; each fault is named with its place in the array.
        TooManyRowsError: There are more than `MAX_ROWS`.
    """
    if not isinstance(documents, list):
        raise InvalidRowError([Fault(place, "should be an array of objects")])
    if len(documents) > MAX_ROWS:
        raise TooManyRowsError(len(documents), MAX_ROWS)
    parsed: list[T] = []
    faults: list[Fault] = []
    for number, document in enumerate(documents):
        try:
            parsed.append(parse(document, (*place, number)))
        except InvalidRowError as error:
            faults.extend(error.faults)
        if len(faults) >= MAX_FAULTS:
            break
    if faults:
        raise InvalidRowError(faults[:MAX_FAULTS])
    return parsed


def change(model: Model, document: object, place: Place = BODY) -> Values:
    """Return the column values that an object names.

    Raises:
        InvalidRowError: It is no object, names no field or an unknown one, or a value is not valid.
    """
    row = _validated(model, model.change, model.names, document, place)
    sent = [field for field in model.written if field.name in row.model_fields_set]
    if not sent:
        raise InvalidRowError([Fault(place, f"names no field; name at least one of {_names(model)}")])
    return _values(sent, row, place)


def row_id(model: Model, text: str) -> Any:  # noqa: ANN401 - models choose the type of their id
    """Return the id that an address names.

    Raises:
        NoSuchRowError: It is not the spelling of an id of this model, so no row has it.
    """
    try:
        return model.identifier(text)
    except ValueError:
        raise NoSuchRowError(model.path, text) from None


def sent_id(model: Model, value: object, place: Place) -> Any:  # noqa: ANN401 - models choose the type of their id
    """Return the id that a JSON value names: a number for a model with numbers, a string for others.

    Raises:
        InvalidRowError: It is not the id of a row of this model.
    """
    if not isinstance(value, int if model.has_numbers else str) or isinstance(value, bool):
        kind = "an integer" if model.has_numbers else "a string"
        raise InvalidRowError([Fault(place, f"should be {kind}, the id of a row")])
    try:
        return model.identifier(str(value))
    except ValueError as error:
        raise InvalidRowError([Fault(place, str(error))]) from None


def _validated(
    model: Model, validator: type[BaseModel], names: Collection[str], document: object, place: Place
) -> BaseModel:
    if not isinstance(document, dict):
        raise InvalidRowError([Fault(place, "should be an object")])
    if unknown := document.keys() - names:
        raise InvalidRowError(_unknown_fields(model, document, unknown, place))
    try:
        return validator.model_validate(document)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        raise InvalidRowError([_fault(place, item) for item in found[:MAX_FAULTS]]) from None


def _unknown_fields(model: Model, sent: Iterable[str], unknown: Collection[str], place: Place) -> list[Fault]:
    return [
        Fault((*place, name[:_MAX_NAME_LENGTH]), _why_unknown(model, name))
        for name in islice((name for name in sent if name in unknown), MAX_FAULTS)
    ]


def _why_unknown(model: Model, name: str) -> str:
    if name in model.names_of_new:
        return "identifies the row and cannot be changed; leave it out"
    if name in SERVICE_FIELDS or (name == DELETED_AT and model.soft_delete):
        return "is set by the service; leave it out"
    if any(field.name == name for field in model.fields):
        return "is computed from other fields; leave it out"
    return f"is no field of {model.name}; its fields are {_names(model)}"


def _fault(place: Place, item: ErrorDetails) -> Fault:
    return Fault((*place, *item["loc"]), reason(item))


def _values(fields: list[Field], row: BaseModel, place: Place) -> Values:
    values = {field.name: getattr(row, field.name) for field in fields}
    size = sum(map(_size, values.values()))
    if size > MAX_ROW_BYTES:
        raise InvalidRowError([Fault(place, f"has {size} bytes of text; a row has at most {MAX_ROW_BYTES}")])
    return values


def _size(value: object) -> int:
    match value:
        case str():
            return len(value.encode())
        case list():
            return len(to_json(value))
    return 0


def _names(model: Model) -> str:
    return ", ".join(field.name for field in model.written)
