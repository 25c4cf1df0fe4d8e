"""Tools and how they are called: scopes, arguments checked against a compiled schema, results."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from pydantic_core import to_json

from mcp_server.errors import ToolError
from mcp_server.protocol.jsonrpc import INVALID_PARAMS, Result, RpcError
from nexus_chassis.tokens import Principal

INSUFFICIENT_SCOPE = -32003
"""Error code, from the range that is left to implementations, for a token that lacks the scopes of a tool."""

_MOST_FAULTS = 10
_LONGEST_MESSAGE = 300  # characters
_TOO_LARGE = frozenset({"maxItems", "maxProperties", "maxLength"})

type Arguments = dict[str, Any]
type Schema = dict[str, Any]


@dataclass(frozen=True)
class Tool:
    """One tool. Its schemas are JSON Schema 2020-12; the caller needs all of `scopes`."""

    name: str
    title: str
    description: str
    input_schema: Schema
    output_schema: Schema
    scopes: frozenset[str]
    run: Callable[[Arguments, Principal], Awaitable[Any]]

    @cached_property
    def arguments(self) -> Draft202012Validator:
        """Validator of arguments."""
        return Draft202012Validator(self.input_schema)

    @cached_property
    def output(self) -> Draft202012Validator:
        """Validator of structured content."""
        return Draft202012Validator(self.output_schema)

    def definition(self) -> dict[str, Any]:
        """Tell the tool as the protocol lists it; all tools here only read."""
        return {
            "name": self.name,
            "title": self.title,
            "description": self.description,
            "inputSchema": self.input_schema,
            "outputSchema": self.output_schema,
            "annotations": {"readOnlyHint": True, "openWorldHint": False},
        }


class InsufficientScopeError(RpcError):
    """The caller's token lacks `missing`; `scopes` are all that the tool needs."""

    def __init__(self, tool: Tool, missing: list[str]) -> None:
        self.scopes = sorted(tool.scopes)
        message = f"The access token lacks the scope {' '.join(missing)}, which {tool.name} needs"
        super().__init__(INSUFFICIENT_SCOPE, message, {"missing_scopes": missing, "scopes": self.scopes})


class Toolbox:
    """All tools, by name."""

    def __init__(self, tools: Sequence[Tool]) -> None:
        self._tools = {tool.name: tool for tool in tools}
        for tool in tools:
            for validator in (tool.arguments, tool.output):  # compiles them, and refuses a faulty schema at start
                validator.check_schema(validator.schema)
        self.listing = [tool.definition() for tool in tools]

    def describe(self) -> list[dict[str, Any]]:
        """Tell each tool with the scopes it needs."""
        return [{**tool.definition(), "scopes": sorted(tool.scopes)} for tool in self._tools.values()]

    async def call(self, name: str, arguments: Arguments, caller: Principal) -> Result:
        """Run a tool. What goes wrong inside it becomes a result with `isError`, which the agent gets to read.

        Raises:
            RpcError: There is no such tool, or the caller lacks its scopes.
        """
        tool = self._tools.get(name)
        if tool is None:
            raise RpcError(INVALID_PARAMS, f"There is no tool {name!r}; there are {', '.join(self._tools)}")
        if missing := tool.scopes - caller.scopes:
            raise InsufficientScopeError(tool, sorted(missing))
        if faults := _faults(tool.arguments, arguments):
            return _failed(f"The arguments of {name} are not valid: {faults}")
        try:
            return _succeeded(tool, await tool.run(arguments, caller))
        except ToolError as error:
            return _failed(str(error))


def _succeeded(tool: Tool, content: object) -> Result:
    if faults := _faults(tool.output, content):
        raise ToolError(f"The answer behind {tool.name} is not what it should be: {faults}")
    return {"content": [_text(to_json(content).decode())], "structuredContent": content, "isError": False}


def _failed(text: str) -> Result:
    return {"content": [_text(text)], "isError": True}


def _text(text: str) -> dict[str, str]:
    return {"type": "text", "text": text}


def _faults(validator: Draft202012Validator, value: object) -> str:
    told: list[str] = []
    for error in validator.iter_errors(value):  # one at a time: an error takes kilobytes, a value may have very many
        told.append(_explain(error))
        if len(told) == _MOST_FAULTS or error.validator in _TOO_LARGE:
            return "; ".join([*told, "and perhaps more"])
    return "; ".join(told)


def _explain(error: ValidationError) -> str:
    place = "/".join(str(part) for part in error.absolute_path)
    message = error.message  # it may quote the whole value
    if len(message) > _LONGEST_MESSAGE:
        message = f"breaks {error.validator}: {error.validator_value}"[:_LONGEST_MESSAGE]
    return f"{place or '(all)'}: {message}"
