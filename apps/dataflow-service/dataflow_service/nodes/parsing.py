"""Parameters of nodes, checked as rows are."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

from dataflow_service.records import parsing
from dataflow_service.records.errors import MAX_FAULTS, Fault, InvalidRowError
from dataflow_service.records.filters import parse_filter
from dataflow_service.records.parsing import Place, Values
from dataflow_service.records.query import Filter, compares
from dataflow_service.registry.kailash_adapter import GeneratedNode
from dataflow_service.registry.model import Model

PARAMETERS: Place = ("body", "parameters")

type Parameters = Mapping[str, Any]
"""Parameters by the names that operations know."""

_OLD_NAMES = {"record_id": "id", "conditions": "filter", "updates": "fields"}
"""Kailash's other names of the same."""


def of_body(document: object) -> Parameters:
    """Return the parameters in a request body.

    Raises:
        InvalidRowError: The body is not {"parameters": {...}}.
    """
    if not isinstance(document, dict) or list(document) != ["parameters"]:
        raise InvalidRowError([Fault(("body",), 'should be an object with "parameters" and nothing else')])
    if not isinstance(document["parameters"], dict):
        raise InvalidRowError([Fault(PARAMETERS, "should be an object")])
    return document["parameters"]


def as_json(value: object, place: Place = PARAMETERS) -> Any:  # noqa: ANN401 - any JSON value
    """Return a Python value in the form in which JSON has it, without a change of what it means.

    Raises:
        InvalidRowError: JSON has no such value.
    """
    match value:
        case Enum():
            return as_json(value.value, place)
        case None | bool() | int() | float() | Decimal():
            return value
        case str() if _is_unicode(value):
            return value
        case datetime() | date() | UUID():
            return _text(value, place)
        case list() | tuple():
            return [as_json(item, (*place, number)) for number, item in enumerate(value)]
        case dict() if all(isinstance(name, str) and _is_unicode(name) for name in value):
            return {name: as_json(item, (*place, name)) for name, item in value.items()}
    raise InvalidRowError([Fault(place, f"is of type {type(value).__name__}, or has text, that JSON cannot have")])


def _text(value: date | UUID, place: Place) -> str:
    if isinstance(value, datetime) and value.utcoffset() is None:
        text = f"is {value.isoformat()}, without an offset from UTC; send a datetime with a time zone"
        raise InvalidRowError([Fault(place, text)])
    return value.isoformat() if isinstance(value, date) else str(value)


def _is_unicode(text: str) -> bool:
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)


def named(node: GeneratedNode, parameters: Mapping[str, Any]) -> Parameters:
    """Return the parameters by one name each.

    Raises:
        InvalidRowError: The node has no such parameter, or one is sent by two of its names.
    """
    faults = [
        Fault((*PARAMETERS, name[:100]), f"is no parameter of {node.name}; they are {', '.join(node.parameters)}")
        for name in parameters
        if name not in node.parameters
    ]
    if faults:
        raise InvalidRowError(faults[:MAX_FAULTS])
    old_names = _OLD_NAMES | ({"update": "fields"} if node.operation == "bulk_update" else {})
    found: dict[str, Any] = {}
    for name, value in parameters.items():
        known = old_names.get(name, name)
        if known in found:
            raise InvalidRowError([Fault((*PARAMETERS, name), f"is another name of {known}; send one of them")])
        found[known] = value
    return found


def row_id(model: Model, parameters: Parameters) -> Any:  # noqa: ANN401 - models choose the type of their id
    """Return the id of the one row that `id`, or a filter with nothing but an id, names.

    Raises:
        InvalidRowError: None or both of them are there, or the id is none of this model.
    """
    given = [name for name in ("id", "filter") if name in parameters]
    if len(given) != 1:
        raise InvalidRowError([Fault(PARAMETERS, "should have the id of one row, as id or as filter")])
    place: Place = (*PARAMETERS, given[0])
    value = parameters[given[0]]
    if given == ["id"]:
        return parsing.sent_id(model, value, place)
    if not isinstance(value, dict) or list(value) != ["id"]:
        raise InvalidRowError([Fault(place, 'should be an object with the id of one row, such as {"id": 1}')])
    return parsing.sent_id(model, value["id"], (*place, "id"))


def some(model: Model, parameters: Parameters) -> Filter:
    """Return the filter of the rows that are changed or deleted together.

    Raises:
        InvalidQueryError: It is no filter for the rows of the model.
        InvalidRowError: It compares nothing, so that every row would be.
    """
    found = parse_filter(model, parameters.get("filter", {}), (*PARAMETERS, "filter"))
    if not compares(found):
        raise InvalidRowError([Fault((*PARAMETERS, "filter"), "should have a condition; without one it is every row")])
    return found


def change(model: Model, parameters: Parameters) -> Values:
    """Return the column values of `fields`, or of parameters named after fields.

    Raises:
        InvalidRowError: A field is unknown or sent in both ways, or a value is not valid.
    """
    beside = {name: value for name, value in parameters.items() if name not in {"id", "filter", "fields"}}
    if "fields" not in parameters:
        return parsing.change(model, beside, PARAMETERS)
    if beside:
        raise InvalidRowError([Fault((*PARAMETERS, next(iter(beside))), "is sent beside fields; put it into fields")])
    return parsing.change(model, parameters["fields"], (*PARAMETERS, "fields"))


def changes(model: Model, documents: object) -> list[tuple[Any, Values]]:
    """Return the id and the column values of each item of `data`.

    Raises:
        InvalidRowError: An item has no id or no valid field, or two have the same id.
    """
    found = parsing.each(documents, lambda document, place: _change(model, document, place), (*PARAMETERS, "data"))
    _refuse_repeated([row_id for row_id, _ in found], "id")
    return found


def _change(model: Model, document: object, place: Place) -> tuple[Any, Values]:
    if not isinstance(document, dict) or "id" not in document:
        raise InvalidRowError([Fault(place, "should be an object with an id and fields")])
    values = {name: value for name, value in document.items() if name != "id"}
    return parsing.sent_id(model, document["id"], (*place, "id")), parsing.change(model, values, place)


def unique_fields(model: Model, sent: object, default: Sequence[str] | None = None) -> list[str]:
    """Return the fields of `conflict_on`, which are those of a unique index.

    Raises:
        InvalidRowError: No unique index of the model has exactly these fields.
    """
    names = default if sent is None else sent
    found = model.unique_index(list(map(str, names))) if isinstance(names, list) else None
    if found is None:
        listed = " or ".join(", ".join(fields) for fields in model.unique_indexes) or "none"
        text = f"should be the fields of a unique index of {model.name}: {listed}"
        raise InvalidRowError(
            [Fault((*PARAMETERS, "conflict_on" if sent is not None or default is None else "where"), text)]
        )
    return found


def identified_rows(model: Model, documents: object, unique: Sequence[str]) -> tuple[list[Values], list[str]]:
    """Return the column values of each item of `data`, and the fields that all of them name.

    Raises:
        InvalidRowError: An item is no row, names other fields than the first, or has no unique fields of its own.
    """
    place: Place = (*PARAMETERS, "data")
    rows = parsing.each(documents, lambda document, its: parsing.identified_row(model, document, unique, its), place)
    assert isinstance(documents, list)  # noqa: S101 - for mypy; parsing.each checks it
    names = list(documents[0]) if documents else []
    for number, document in enumerate(documents):
        if set(document) != set(names):
            text = "names other fields than the first row; send rows with the same fields together"
            raise InvalidRowError([Fault((*place, number), text)])
    _refuse_repeated([parsing.unique_key(row, unique) for row in rows], " and ".join(unique))
    return rows, names


def _refuse_repeated(keys: Sequence[Any], name: str) -> None:
    places: dict[Any, int] = {}
    for number, key in enumerate(keys):
        if (first := places.setdefault(key, number)) != number:
            raise InvalidRowError([Fault((*PARAMETERS, "data", number), f"has the same {name} as row {first}")])
