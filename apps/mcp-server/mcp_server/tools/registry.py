"""The tools of this server, each with validators compiled when it is registered."""

import re
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import ValidationError
from referencing import Registry

from mcp_server.protocol.messages import InputRequired
from mcp_server.protocol.stateless import PARAM_HEADER
from mcp_server.tools.bounded_validator import iter_errors, make_validator
from mcp_server.tools.errors import InvalidToolError
from mcp_server.tools.quick_check import make_check
from mcp_server.tools.request import Request

_MAX_FAULTS = 10
_MAX_MESSAGE_LENGTH = 300  # characters
_TOO_LARGE = frozenset({"maxItems", "maxProperties", "maxLength"})
_HEADER = "x-mcp-header"
_HEADER_TYPES = frozenset({"string", "integer", "boolean"})
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}")  # RFC 9110 section 5.6.2
_NO_REMOTE: Registry[Any] = Registry()
"""Resolves references within a schema alone: the default one fetches others over HTTP, and reads files."""

type Arguments = dict[str, Any]
type Schema = dict[str, Any]
type TaskSupport = Literal["forbidden", "optional", "required"]


@dataclass(frozen=True, slots=True)
class Content:
    """Content blocks of a tool that returns more than a JSON value."""

    blocks: list[dict[str, Any]]
    is_error: bool = False


type Run = Callable[[Arguments, Request], Awaitable[Any]]
type Prepare = Callable[[Arguments, Request], Awaitable[InputRequired | None]]
type Begin = Callable[[Arguments, Request], Awaitable[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Backend:
    """What is behind a tool: `run` returns what it returned, `begin` a task that goes on by itself."""

    run: Run
    begin: Begin | None = None


@dataclass(frozen=True)
class Tool:
    """One tool. Its schemas are JSON Schema 2020-12; a token needs all of `scopes` to call it.

    `run` returns the structured content where there is an `output_schema`, otherwise Content; or InputRequired. Where
    `task` permits it, `run` becomes a task for clients that can have one; `prepare` then asks the client first. Where there
    is `begin`, it starts the task instead, and others than this server's own tasks keep it.
    """

    name: str
    title: str
    description: str
    input_schema: Schema
    output_schema: Schema | None
    scopes: frozenset[str]
    run: Run
    read_only: bool = True
    task: TaskSupport = "forbidden"
    prepare: Prepare | None = None
    begin: Begin | None = None
    annotations: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def arguments(self) -> "Validator":
        """Validator of arguments."""
        return Validator(self.input_schema)

    @cached_property
    def output(self) -> "Validator | None":
        """Validator of structured content."""
        return None if self.output_schema is None else Validator(self.output_schema)

    @cached_property
    def param_headers(self) -> dict[str, tuple[str, ...]]:
        """The path of each argument that clients repeat in a header, by the header in lower case.

        Raises:
            InvalidToolError: The schema names a header at a place or in a way that it must not.
        """
        found: dict[str, tuple[str, ...]] = {}
        for path, schema in _properties(self.input_schema):
            if _HEADER in schema:
                header = _header(self.name, schema)
                if header in found:
                    raise InvalidToolError(self.name, f"two arguments have the header {header}")
                found[header] = path
        if len(found) != str(self.input_schema).count(repr(_HEADER)):
            raise InvalidToolError(self.name, f"{_HEADER} is permitted at properties of objects only")
        return found

    def definition(self) -> dict[str, Any]:
        """Return the tool as `tools/list` shows it."""
        output = {} if self.output_schema is None else {"outputSchema": self.output_schema}
        return {
            "name": self.name,
            "title": self.title,
            "description": self.description,
            "inputSchema": self.input_schema,
            **output,
            "annotations": {"readOnlyHint": self.read_only, "openWorldHint": False, **self.annotations},
        }

    def compile(self) -> None:
        """Compile the validators, and refuse schemas that are wrong.

        Raises:
            InvalidToolError: A header is named that must not be.
            SchemaError: A schema is not one.
        """
        _ = self.arguments, self.output, self.param_headers


class ToolRegistry:
    """All tools, by name."""

    def __init__(self, tools: Sequence[Tool]) -> None:
        self._tools = {tool.name: tool for tool in tools}
        for tool in tools:
            tool.compile()

    def __iter__(self) -> Iterator[Tool]:
        return iter(self._tools.values())

    def get(self, name: str) -> Tool | None:
        """Return the tool with this name."""
        return self._tools.get(name)


class Validator:
    """Checks values against a schema; raises SchemaError when it is made of what is none."""

    def __init__(self, schema: Schema) -> None:
        Draft202012Validator.check_schema(schema, format_checker=FormatChecker(()))
        self._is_surely_valid = make_check(schema)
        self._validator = make_validator(schema, _NO_REMOTE)

    def faults(self, value: object) -> str:
        """Return what is wrong with a value, at most ten faults; empty when it is valid.

        Raises:
            CheckTooLongError: That takes too long to tell.
        """
        if self._is_surely_valid is not None and self._is_surely_valid(value):
            return ""
        faults: list[str] = []
        for error in iter_errors(self._validator, value):  # one at a time: an error takes kilobytes, there may be many
            faults.append(_describe(error))
            if len(faults) == _MAX_FAULTS or error.validator in _TOO_LARGE:
                return "; ".join([*faults, "and perhaps more"])
        return "; ".join(faults)


def _describe(error: ValidationError) -> str:
    place = "/".join(str(part) for part in error.absolute_path)
    message = error.message  # it may quote the whole value
    if len(message) > _MAX_MESSAGE_LENGTH:
        message = f"breaks {error.validator}: {error.validator_value}"[:_MAX_MESSAGE_LENGTH]
    return f"{place or '(all)'}: {message}"


def _properties(schema: Schema, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Schema]]:
    """Each property that a chain of `properties` leads to, with its path."""
    for name, member in schema.get("properties", {}).items():
        if isinstance(member, dict):
            yield (*path, name), member
            yield from _properties(member, (*path, name))


def _header(tool: str, schema: Schema) -> str:
    name = schema[_HEADER]
    if not isinstance(name, str) or not _TOKEN.fullmatch(name):
        raise InvalidToolError(tool, f"{name!r:.80} is not the name of a header")
    if schema.get("type") not in _HEADER_TYPES:
        raise InvalidToolError(tool, f"an argument with {_HEADER} must be a string, an integer or a boolean")
    return PARAM_HEADER + name.lower()
