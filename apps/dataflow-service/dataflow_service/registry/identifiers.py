"""Ids in addresses. Each id has one spelling: any other names no row."""

import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, Field

from dataflow_service.registry.annotations import plain_type
from dataflow_service.registry.json_values import check_bigint, check_text
from nexus_chassis.errors import ConfigurationError

RESERVED = frozenset(
    {
        *(
            "audit",
            "bulk",
            "changes",
            "count",
            "export",
            "imports",
            "migrations",
            "models",
            "nodes",
            "query",
            "transactions",
        ),
        "upsert",
    }
)
"""Words that addresses have at the place of a model or of an id."""

_MAX_LENGTH = 255

type Identifier = Callable[[str], Any]
"""Returns the id that a text names. Raises ValueError when the text is not the spelling of an id."""

_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,18}")


def identifier(model: str, annotation: Any) -> Identifier:  # noqa: ANN401 - an annotation is any object
    """Return the reader of a model's ids.

    Raises:
        ConfigurationError: The type of the id has no reader.
    """
    found = _READERS.get(plain_type(annotation))
    if found is None:
        known = ", ".join(kind.__name__ for kind in _READERS)
        raise ConfigurationError(f"The field {model}.id is annotated {annotation}. Use one of {known}.")
    return found


def new_id(annotation: Any, rules: Any) -> dict[str, Any]:  # noqa: ANN401 - annotations are any objects
    """Return the field of the validator of new rows for an id that callers choose, by its rules; none for a number.

    A text must be sent. A UUID that is not sent is None: the database makes one.
    """
    match plain_type(annotation):
        case kind if kind is str:
            checked = Annotated[rules, AfterValidator(_segment), Field(json_schema_extra=_describe_segment)]
            return {"id": (checked, ...)}
        case kind if kind is UUID:
            return {"id": (rules, Field(None, validate_default=False, json_schema_extra=_describe_optional))}
    return {}


def _segment(text: str) -> str:
    """Check that an address can have a text as the id of a row."""
    if text in RESERVED:
        raise ValueError(f"should be none of the words {', '.join(sorted(RESERVED))}, which addresses use")
    if not 1 <= len(text) <= _MAX_LENGTH or "/" in text or text in {".", ".."}:
        raise ValueError(f"should have 1 to {_MAX_LENGTH} characters without a slash, and be neither . nor ..")
    return text


def _describe_segment(schema: dict[str, Any]) -> None:
    for name, value in {"minLength": 1, "maxLength": _MAX_LENGTH}.items():
        schema.setdefault(name, value)
    schema["not"] = {"enum": [".", "..", *sorted(RESERVED)]}


def _describe_optional(schema: dict[str, Any]) -> None:
    del schema["default"]


def _integer(text: str) -> int:
    if not _INTEGER.fullmatch(text):
        raise ValueError("should be an integer in decimal digits, without a leading zero or plus sign")
    number = int(text)
    check_bigint(number)
    return number


def _uuid(text: str) -> UUID:
    try:
        found = UUID(text)
    except ValueError:
        found = None
    if found is None or str(found) != text:
        raise ValueError("should be a UUID in lower case, such as 6f1d3c54-5e0b-4c29-9a3e-0b6a3f7d2c11")
    return found


def _text(text: str) -> str:
    check_text(text)
    return text


_READERS: Mapping[type, Identifier] = {int: _integer, UUID: _uuid, str: _text}
