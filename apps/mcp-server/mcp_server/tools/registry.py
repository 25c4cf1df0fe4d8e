"""The tools of this server, each with validators compiled when the server starts."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from mcp_server.tools.request import Request

_MAX_FAULTS = 10
_MAX_MESSAGE_LENGTH = 300  # characters
_TOO_LARGE = frozenset({"maxItems", "maxProperties", "maxLength"})

type Arguments = dict[str, Any]
type Schema = dict[str, Any]


@dataclass(frozen=True)
class Tool:
    """One tool. Its schemas are JSON Schema 2020-12; a token needs all of `scopes` to call it."""

    name: str
    title: str
    description: str
    input_schema: Schema
    output_schema: Schema
    scopes: frozenset[str]
    run: Callable[[Arguments, Request], Awaitable[Any]]

    @cached_property
    def arguments(self) -> Draft202012Validator:
        """Validator of arguments."""
        return Draft202012Validator(self.input_schema)

    @cached_property
    def output(self) -> Draft202012Validator:
        """Validator of structured content."""
        return Draft202012Validator(self.output_schema)

    def definition(self) -> dict[str, Any]:
        """Return the tool as `tools/list` shows it; all tools here only read."""
        return {
            "name": self.name,
            "title": self.title,
            "description": self.description,
            "inputSchema": self.input_schema,
            "outputSchema": self.output_schema,
            "annotations": {"readOnlyHint": True, "openWorldHint": False},
        }


class ToolRegistry:
    """All tools, by name."""

    def __init__(self, tools: Sequence[Tool]) -> None:
        self._tools = {tool.name: tool for tool in tools}
        for tool in tools:
            for validator in (tool.arguments, tool.output):  # compiles them, and refuses a wrong schema at start-up
                validator.check_schema(validator.schema)

    def __iter__(self) -> Iterator[Tool]:
        return iter(self._tools.values())

    def get(self, name: str) -> Tool | None:
        """Return the tool with this name."""
        return self._tools.get(name)

    @property
    def names(self) -> list[str]:
        """The names of all tools."""
        return list(self._tools)

    @property
    def scopes(self) -> frozenset[str]:
        """All scopes that any tool needs."""
        return frozenset().union(*(tool.scopes for tool in self))


def describe_faults(validator: Draft202012Validator, value: object) -> str:
    """Return what is wrong with a value, at most ten faults; empty when it is valid."""
    faults: list[str] = []
    for error in validator.iter_errors(value):  # one at a time: an error takes kilobytes, a value may have very many
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
