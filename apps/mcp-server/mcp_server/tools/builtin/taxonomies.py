"""Tools on the taxonomies of classification-service."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mcp_server.errors import AgentFacingError
from mcp_server.tools.builtin.upstream import Upstream, without_nulls
from mcp_server.tools.registry import Arguments, Tool
from mcp_server.tools.request import Request

_NAME = {"type": "string", "enum": ["unspsc", "etim"], "default": "unspsc"}
_VERSION = {
    "type": "string",
    "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$",
    "description": "A version that list_taxonomies returns; the default one when absent.",
}
_CODE = {"type": "string", "pattern": "^[A-Za-z0-9]{1,20}$"}
_LIST_INPUT = {"type": "object", "properties": {}, "additionalProperties": False}
_LIST_OUTPUT = {
    "type": "object",
    "properties": {"taxonomies": {"type": "array", "items": {"type": "object"}}},
    "required": ["taxonomies"],
}
_SEARCH_INPUT = {
    "type": "object",
    "properties": {
        "query": {
            "type": "string",
            "minLength": 1,
            "maxLength": 200,
            "description": "The beginning of a code, or of words of titles.",
        },
        "taxonomy": _NAME,
        "version": _VERSION,
        "limit": {"type": "integer", "minimum": 1, "maximum": 200, "default": 20},
        "after": {"type": "string", "maxLength": 200, "description": "The `next` of the page before."},
    },
    "required": ["query"],
    "additionalProperties": False,
}
_SEARCH_OUTPUT = {
    "type": "object",
    "properties": {
        "items": {"type": "array", "items": {"type": "object"}},
        "next": {"type": "string", "description": "What to send as `after` for the next page; absent at the end."},
    },
    "required": ["items"],
}
_GET_INPUT = {
    "type": "object",
    "properties": {"code": _CODE, "taxonomy": _NAME, "version": _VERSION},
    "required": ["code"],
    "additionalProperties": False,
}
_GET_OUTPUT = {
    "type": "object",
    "properties": {"code": _CODE, "title": {"type": "string"}, "level": {"type": "string"}},
    "required": ["code", "title", "level"],
}


class NoDefaultVersionError(AgentFacingError):
    """A taxonomy of which no version is there."""

    def __init__(self, taxonomy: str) -> None:
        super().__init__(f"There is no version of {taxonomy} to read. Call list_taxonomies for those that are there.")


@dataclass(frozen=True, slots=True)
class TaxonomyTools:
    """The tools."""

    classification: Upstream

    def tools(self) -> list[Tool]:
        """Return the tools."""
        scopes = frozenset({self.classification.scope})
        return [
            Tool(
                name="list_taxonomies",
                title="List taxonomies",
                description="List the versions of UNSPSC and ETIM that are there, with their numbers of codes.",
                input_schema=_LIST_INPUT,
                output_schema=_LIST_OUTPUT,
                scopes=scopes,
                run=self._list,
            ),
            Tool(
                name="search_codes",
                title="Search codes",
                description="Find codes of a taxonomy by the beginning of a code or by words of their titles.",
                input_schema=_SEARCH_INPUT,
                output_schema=_SEARCH_OUTPUT,
                scopes=scopes,
                run=self._search,
            ),
            Tool(
                name="get_code",
                title="Get a code",
                description="Read a code: its title, its path from the root, the codes below it, and features of an ETIM class.",
                input_schema=_GET_INPUT,
                output_schema=_GET_OUTPUT,
                scopes=scopes,
                run=self._get,
            ),
        ]

    async def _list(self, _arguments: Arguments, request: Request) -> object:
        return without_nulls(await self.classification.request("GET", "/v1/taxonomies", request))

    async def _search(self, arguments: Arguments, request: Request) -> object:
        query = {"q": arguments["query"], "limit": str(arguments.get("limit", 20))}
        if "after" in arguments:
            query["after"] = arguments["after"]
        path = f"{await self._version(arguments, request)}/search"
        return without_nulls(await self.classification.request("GET", path, request, query=query))

    async def _get(self, arguments: Arguments, request: Request) -> object:
        path = f"{await self._version(arguments, request)}/codes/{arguments['code']}"
        return without_nulls(await self.classification.request("GET", path, request))

    async def _version(self, arguments: Arguments, request: Request) -> str:
        """The address of the version that is asked for, by default the one of requests that name none."""
        taxonomy = arguments.get("taxonomy", "unspsc")
        version = arguments.get("version") or await self._default(taxonomy, request)
        return f"/v1/taxonomies/{taxonomy}/{version}"

    async def _default(self, taxonomy: str, request: Request) -> str:
        found = await self.classification.request("GET", "/v1/taxonomies", request)
        for one in _list_of(found):
            if one.get("name") == taxonomy and one.get("default") is True:
                return str(one.get("version"))
        raise NoDefaultVersionError(taxonomy)


def _list_of(answer: Any) -> list[Mapping[str, Any]]:  # noqa: ANN401 - any JSON value
    listed = answer.get("taxonomies") if isinstance(answer, dict) else None
    return [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
