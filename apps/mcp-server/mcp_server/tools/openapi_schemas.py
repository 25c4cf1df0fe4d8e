"""Schemas of an OpenAPI 3.1 document as schemas of their own: what they refer to is put into their `$defs`."""

import re
from collections.abc import Mapping
from typing import Any

from mcp_server.tools.patterns import UnsupportedPatternError, check_size, compile_pattern
from mcp_server.tools.schemas_check import MAX_DEPTH

MAX_VALUES = 20_000
"""Values of the schemas of one operation, with all that they refer to."""

_MAX_LEVELS = 2 * MAX_DEPTH + 2
_COMPONENT = re.compile(r"#/components/([A-Za-z]+)/([A-Za-z0-9._-]{1,128})")
_LEFT_OUT = frozenset({"discriminator", "xml", "externalDocs", "example", "$schema"})

type Json = Any


class UnusableOperationError(Exception):
    """An operation cannot become a tool; the text says why."""


def resolve(document: Mapping[str, Json], value: Json, section: str) -> dict[str, Json]:
    """Return an object of a document, or the component of `section` that it refers to; raises UnusableOperationError."""
    for _ in range(MAX_DEPTH):
        if not isinstance(value, dict):
            raise UnusableOperationError(f"there is no object where one of components/{section} is expected")
        if "$ref" not in value:
            return value
        value = _component(document, value["$ref"], section)
    raise UnusableOperationError(f"references in components/{section} lead in a circle")


def _component(document: Mapping[str, Json], reference: Json, section: str) -> Json:
    found = _COMPONENT.fullmatch(reference) if isinstance(reference, str) else None
    if found is None or found[1] != section:
        raise UnusableOperationError(f"the reference {reference!r:.200} is not #/components/{section}/NAME")
    components = document.get("components")
    members = components.get(section) if isinstance(components, dict) else None
    if not isinstance(members, dict) or found[2] not in members:
        raise UnusableOperationError(f"the reference {reference!r:.200} leads nowhere")
    return members[found[2]]


class Schemas:
    """Takes schemas out of a document, for one tool schema; `definitions` are what they refer to, by name."""

    def __init__(self, document: Mapping[str, Json]) -> None:
        self._document = document
        self._wanted: list[str] = []
        self._left = MAX_VALUES
        self.definitions: dict[str, Json] = {}

    def take(self, schema: Json) -> Json:
        """Return a schema whose references are to `definitions`; raises UnusableOperationError."""
        taken = self._copy(schema, _MAX_LEVELS)
        while self._wanted:
            name = self._wanted.pop()
            if name not in self.definitions:
                self.definitions[name] = None  # it may refer to itself
                component = _component(self._document, f"#/components/schemas/{name}", "schemas")
                self.definitions[name] = self._copy(component, _MAX_LEVELS)
        return taken

    def _copy(self, value: Json, levels: int) -> Json:
        self._left -= 1
        if self._left < 0:
            raise UnusableOperationError(f"its schemas have more than {MAX_VALUES} values")
        if levels < 0:
            raise UnusableOperationError(f"its schemas have more than {_MAX_LEVELS} levels")
        if isinstance(value, list):
            return [self._copy(member, levels - 1) for member in value]
        if not isinstance(value, dict):
            return value
        return {
            name: self._reference(member) if name == "$ref" else self._copy(member, levels - 1)
            for name, member in value.items()
            if not _is_left_out(name, member)
        }

    def _reference(self, reference: Json) -> str:
        found = _COMPONENT.fullmatch(reference) if isinstance(reference, str) else None
        if found is None or found[1] != "schemas":
            raise UnusableOperationError(f"the reference {reference!r:.200} is not #/components/schemas/NAME")
        self._wanted.append(found[2])
        return f"#/$defs/{found[2]}"

    def root(self, schema: Json) -> dict[str, Json]:
        """Return a schema that stands alone, and is no reference itself."""
        taken = self.take(schema)
        for _ in range(MAX_DEPTH):
            if not isinstance(taken, dict) or set(taken) != {"$ref"}:
                break
            taken = self.definitions[taken["$ref"].removeprefix("#/$defs/")]
        if not isinstance(taken, dict):
            raise UnusableOperationError("a schema of its body or answer is no object")
        return self.complete(taken)

    def complete(self, schema: dict[str, Json]) -> dict[str, Json]:
        """Return a schema with what it refers to."""
        return {**schema, "$defs": dict(self.definitions)} if self.definitions else schema


def _is_left_out(name: str, member: Json) -> bool:
    """Whether a member of a schema says nothing about values here, or cannot be checked; the server checks it itself."""
    if name == "pattern" and isinstance(member, str):
        try:
            check_size(member)
            compile_pattern(member)
        except UnsupportedPatternError:
            return True
    return name in _LEFT_OUT
