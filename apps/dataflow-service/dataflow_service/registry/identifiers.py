"""Ids in addresses. Each id has one spelling: any other names no row."""

import re
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from dataflow_service.registry.annotations import plain_type
from dataflow_service.registry.json_values import check_bigint, check_text
from nexus_chassis.errors import ConfigurationError

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
