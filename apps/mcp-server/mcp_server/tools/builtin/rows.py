"""Tools on the rows of all models in dataflow-service."""

from dataclasses import dataclass
from urllib.parse import quote

from mcp_server.errors import AgentFacingError
from mcp_server.tools.builtin.upstream import Upstream, present
from mcp_server.tools.registry import Arguments, Tool
from mcp_server.tools.request import Request

MAX_ROWS = 200

_MODEL = {
    "type": "string",
    "pattern": "^[A-Za-z][A-Za-z0-9_]{0,63}$",
    "description": "Name of a model, as list_models returns it.",
}
_ID = {"type": "string", "pattern": "^[^/]{1,255}$", "description": "The id of the row; a number is sent as text."}
_VERSION = {"type": "string", "pattern": "^[!#-~]{1,64}$"}
_SEEN_VERSION = _VERSION | {
    "description": (
        "The version that get_row returned: the row is left alone if it was changed since then. Some models demand it."
    )
}
_FIELDS = {"type": "object", "minProperties": 1, "description": "Values by the names of the model's fields."}
_NAMES = {"type": "array", "items": {"type": "string"}}
_ROW = {"type": "object", "required": ["id"], "description": "The row with all its fields."}
_MODELS_INPUT = {"type": "object", "properties": {}, "additionalProperties": False}
_MODELS_OUTPUT = {
    "type": "object",
    "properties": {"items": {"type": "array", "items": {"type": "object"}}},
    "required": ["items"],
}
_QUERY_INPUT = {
    "type": "object",
    "properties": {
        "model": _MODEL,
        "filter": {
            "type": "object",
            "description": (
                'Which rows: {"field": value} or {"field": {"$gte": value}}, with $eq, $ne, $gt, $gte, $lt, $lte, $in, $nin, '
                "$like, $ilike, $null, combined by $and, $or, $not. All rows when absent."
            ),
        },
        "search": {
            "type": "string",
            "maxLength": 200,
            "description": "Words to find in the texts that a model declares.",
        },
        "fields": _NAMES | {"description": "The fields to return; all when absent."},
        "order": _NAMES | {"description": "The fields to order by, with - before those that descend."},
        "aggregates": {
            "type": "object",
            "description": 'Groups instead of rows: {"count": "*", "min": ["field"]}, with count, sum, avg, min, max.',
        },
        "group_by": _NAMES | {"description": "The fields whose values make the groups; one group when absent."},
        "limit": {"type": "integer", "minimum": 1, "maximum": MAX_ROWS, "default": 50},
        "after": {"type": "string", "maxLength": 100_000, "description": "The `next` of the page before."},
    },
    "required": ["model"],
    "additionalProperties": False,
}
_QUERY_OUTPUT = {
    "type": "object",
    "properties": {
        "items": {"type": "array", "items": {"type": "object"}},
        "next": {"type": "string", "description": "What to send as `after` for the next page; absent at the end."},
    },
    "required": ["items"],
}
_CREATE_INPUT = {
    "type": "object",
    "properties": {"model": _MODEL, "fields": _FIELDS},
    "required": ["model", "fields"],
    "additionalProperties": False,
}
_GET_INPUT = {
    "type": "object",
    "properties": {"model": _MODEL, "id": _ID},
    "required": ["model", "id"],
    "additionalProperties": False,
}
_GET_OUTPUT = {
    "type": "object",
    "properties": {
        "row": _ROW,
        "version": _VERSION
        | {"description": "Changes with each change of the row; update_row and delete_row take it."},
    },
    "required": ["row", "version"],
}
_UPDATE_INPUT = {
    "type": "object",
    "properties": {"model": _MODEL, "id": _ID, "fields": _FIELDS, "version": _SEEN_VERSION},
    "required": ["model", "id", "fields"],
    "additionalProperties": False,
}
_DELETE_INPUT = {
    "type": "object",
    "properties": {"model": _MODEL, "id": _ID, "version": _SEEN_VERSION},
    "required": ["model", "id"],
    "additionalProperties": False,
}
_DELETE_OUTPUT = {
    "type": "object",
    "properties": {"deleted": {"type": "boolean"}, "id": {"type": "string"}},
    "required": ["deleted", "id"],
}


class NoSuchIdError(AgentFacingError):
    """An id that cannot be part of an address; no row has it."""

    def __init__(self, row: str) -> None:
        super().__init__(f"There is no row with the id {row!r}. Send an id that query_rows returned.")


@dataclass(frozen=True, slots=True)
class RowTools:
    """The tools. `reading` and `writing` are dataflow-service with the scopes for either."""

    reading: Upstream
    writing: Upstream

    def tools(self) -> list[Tool]:
        """Return the tools."""
        return [*self._that_read(), *self._that_write()]

    def _that_read(self) -> list[Tool]:
        scopes = frozenset({self.reading.scope})
        return [
            Tool(
                name="list_models",
                title="List models",
                description="List the models of the stored data, each with its fields.",
                input_schema=_MODELS_INPUT,
                output_schema=_MODELS_OUTPUT,
                scopes=scopes,
                run=self._list_models,
            ),
            Tool(
                name="query_rows",
                title="Query rows",
                description="Read the rows of a model that a filter or a search finds, or groups of them with aggregates.",
                input_schema=_QUERY_INPUT,
                output_schema=_QUERY_OUTPUT,
                scopes=scopes,
                run=self._query,
            ),
            Tool(
                name="get_row",
                title="Get a row",
                description="Read one row of a model with its version.",
                input_schema=_GET_INPUT,
                output_schema=_GET_OUTPUT,
                scopes=scopes,
                run=self._get,
            ),
        ]

    def _that_write(self) -> list[Tool]:
        scopes = frozenset({self.writing.scope})
        return [
            Tool(
                name="create_row",
                title="Create a row",
                description="Store a new row of a model. Read list_models first.",
                input_schema=_CREATE_INPUT,
                output_schema=_ROW,
                scopes=scopes,
                run=self._create,
                read_only=False,
                annotations={"destructiveHint": False, "idempotentHint": False},
            ),
            Tool(
                name="update_row",
                title="Update a row",
                description="Set fields of a stored row; the others stay as they are.",
                input_schema=_UPDATE_INPUT,
                output_schema=_ROW,
                scopes=scopes,
                run=self._update,
                read_only=False,
                annotations={"destructiveHint": True, "idempotentHint": True},
            ),
            Tool(
                name="delete_row",
                title="Delete a row",
                description="Delete a stored row.",
                input_schema=_DELETE_INPUT,
                output_schema=_DELETE_OUTPUT,
                scopes=scopes,
                run=self._delete,
                read_only=False,
                annotations={"destructiveHint": True, "idempotentHint": True},
            ),
        ]

    async def _list_models(self, _arguments: Arguments, request: Request) -> object:
        return await self.reading.request("GET", "/v1/models", request)

    async def _query(self, arguments: Arguments, request: Request) -> object:
        body = {"limit": 50} | {name: value for name, value in arguments.items() if name != "model"}
        page = await self.reading.request("POST", f"{_path(arguments)}/query", request, body=body)
        return present(page)

    async def _get(self, arguments: Arguments, request: Request) -> object:
        row, tag = await self.reading.tagged_request("GET", _row_path(arguments), request)
        return present({"row": row, "version": tag and tag.strip('"')})

    async def _create(self, arguments: Arguments, request: Request) -> object:
        path = f"/v1/nodes/{arguments['model']}CreateNode/execute"
        return await self.writing.request("POST", path, request, body={"parameters": arguments["fields"]})

    async def _update(self, arguments: Arguments, request: Request) -> object:
        path, headers = _row_path(arguments), _if_match(arguments)
        return await self.writing.request("PATCH", path, request, body=arguments["fields"], headers=headers)

    async def _delete(self, arguments: Arguments, request: Request) -> object:
        await self.writing.request("DELETE", _row_path(arguments), request, headers=_if_match(arguments))
        return {"deleted": True, "id": arguments["id"]}


def _path(arguments: Arguments) -> str:
    return f"/v1/{arguments['model'].lower()}"


def _row_path(arguments: Arguments) -> str:
    row = arguments["id"]
    if row in {".", ".."}:  # parts of addresses, not names
        raise NoSuchIdError(row)
    return f"{_path(arguments)}/{quote(row, safe='')}"


def _if_match(arguments: Arguments) -> dict[str, str]:
    return {"If-Match": f'"{arguments["version"]}"'} if "version" in arguments else {}
