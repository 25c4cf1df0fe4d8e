"""Makes definitions of tools out of the operations of an OpenAPI 3.1 document."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pydantic import ValidationError

from mcp_server.tools.arguments import is_forbidden_header
from mcp_server.tools.definitions import ToolDefinition, ToolScope
from mcp_server.tools.errors import DocumentRefusedError
from mcp_server.tools.openapi_schemas import Json, Schemas, UnusableOperationError, resolve
from mcp_server.tools.registered import RESULT
from mcp_server.tools.schemas import ImportRequest

MAX_OPERATIONS = 200
"""Operations of one import."""

_MAX_IN_DOCUMENT = 5000
_METHODS = ("get", "post", "put", "patch", "delete")
_NO_NAME = re.compile("[^A-Za-z0-9_]+")
_PLACE = re.compile(r"\{([^{}]*)\}")
_SCOPES = frozenset(ToolScope.__value__.__args__)
_STYLES = {"path": "simple", "query": "form", "header": "simple"}


class Operation(NamedTuple):
    """An operation of a document: `item` is what it has in common with the others at its path."""

    key: str
    method: str
    path: str
    item: Mapping[str, Json]
    content: Mapping[str, Json]


@dataclass(slots=True)
class Imported:
    """What an import makes: definitions, and operations that cannot become tools, with the reason."""

    definitions: dict[str, ToolDefinition] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    kept: set[str] = field(default_factory=set)
    """The names that refused operations would have had."""


def import_document(document: Mapping[str, Json], request: ImportRequest) -> Imported:
    """Return the tools of a document.

    Raises:
        DocumentRefusedError: It is not OpenAPI 3.1, has too many operations, or lacks one that is asked for.
    """
    imported = Imported()
    for operation in _chosen(document, request):
        name = _name(request.prefix, operation)
        if name in imported.definitions:
            imported.refused[operation.key] = f"another operation has the name {name} too"
            continue
        try:
            imported.definitions[name] = _definition(document, request, operation, name)
        except (UnusableOperationError, ValidationError) as error:
            imported.refused[operation.key] = _reason(error)
            imported.kept.add(name)
    return imported


def _reason(error: UnusableOperationError | ValidationError) -> str:
    if isinstance(error, UnusableOperationError):
        return str(error)
    fault = error.errors(include_url=False, include_context=False, include_input=False)[0]
    return f"{'/'.join(map(str, fault['loc']))}: {fault['msg']}"


def _chosen(document: Mapping[str, Json], request: ImportRequest) -> list[Operation]:
    if not str(document.get("openapi", "")).startswith("3.1."):
        raise DocumentRefusedError("it is not of OpenAPI 3.1")
    found = list(_operations(document))
    if request.operations is not None:
        wanted = set(request.operations)
        if missing := sorted(wanted - {operation.key for operation in found}):
            raise DocumentRefusedError(f"it has no operations {', '.join(missing[:10])}")
        found = [operation for operation in found if operation.key in wanted]
    if len(found) > MAX_OPERATIONS:
        raise DocumentRefusedError(
            f"{len(found)} operations would be imported, at most {MAX_OPERATIONS} are permitted; name some in `operations`"
        )
    return found


def _operations(document: Mapping[str, Json]) -> Iterator[Operation]:
    paths, count = document.get("paths"), 0
    for path, item in paths.items() if isinstance(paths, dict) else ():
        for method in _METHODS if isinstance(item, dict) else ():
            content = item.get(method)
            if not isinstance(content, dict):
                continue
            count += 1
            if count > _MAX_IN_DOCUMENT:
                raise DocumentRefusedError(f"it has more than {_MAX_IN_DOCUMENT} operations")
            own_id = content.get("operationId")
            yield Operation(own_id if isinstance(own_id, str) else f"{method} {path}", method, path, item, content)


def _name(prefix: str, operation: Operation) -> str:
    return (prefix + _NO_NAME.sub("_", operation.key).strip("_"))[:64] or "_"


def _definition(
    document: Mapping[str, Json], request: ImportRequest, operation: Operation, name: str
) -> ToolDefinition:
    places = _Places(document)
    for parameter in _parameters(document, operation):
        places.add(parameter)
    body = operation.content.get("requestBody")
    if body is not None:
        places.add_body(resolve(document, body, "requestBodies"))
    path = _PLACE.sub(lambda place: places.in_path(place[1]), operation.path)
    answer, output = _answer(document, operation)
    texts = [operation.content.get(key) for key in ("description", "summary")]
    summary = texts[1] if isinstance(texts[1], str) else ""
    members: dict[str, Any] = {
        "name": name,
        "title": summary[:128],
        "description": next((text for text in texts if isinstance(text, str) and text), operation.key)[:4096],
        "inputSchema": places.schema(),
        "scopes": sorted({*request.scopes, *_scopes(document, operation)}),
        "annotations": _annotations(operation.method),
        "source": request.source,
        "http": {
            "method": operation.method.upper(),
            **_target(document, request, operation),
            "path": path,
            "query": places.query,
            "headers": places.headers,
            "answer": answer,
            **({} if body is None else {"body": places.body}),
            **({} if request.credentials is None else {"credentials": request.credentials.model_dump()}),
        },
    }
    return ToolDefinition.model_validate(members | ({} if output is None else {"outputSchema": output}))


def _annotations(method: str) -> dict[str, bool]:
    return {
        "readOnlyHint": method == "get",
        "destructiveHint": method in {"put", "patch", "delete"},
        "idempotentHint": method in {"get", "put", "delete"},
    }


def _parameters(document: Mapping[str, Json], operation: Operation) -> list[dict[str, Json]]:
    """The parameters of an operation: those of its own replace those of its path."""
    found: dict[tuple[Json, Json], dict[str, Json]] = {}
    for holder in (operation.item, operation.content):
        parameters = holder.get("parameters", [])
        for parameter in parameters if isinstance(parameters, list) else ():
            resolved = resolve(document, parameter, "parameters")
            found[str(resolved.get("in")), str(resolved.get("name"))] = resolved
    return list(found.values())


class _Places:
    """The arguments of an operation, and where they go."""

    def __init__(self, document: Mapping[str, Json]) -> None:
        self._document = document
        self._schemas = Schemas(document)
        self._properties: dict[str, Json] = {}
        self._required: list[str] = []
        self._path: dict[str, str] = {}
        self.query: dict[str, str] = {}
        self.headers: dict[str, str] = {}
        self.body = ""

    def add(self, parameter: Mapping[str, Json]) -> None:
        """Add a parameter; raises UnusableOperationError."""
        place, name, required = parameter.get("in"), parameter.get("name"), parameter.get("required") is True
        if not isinstance(name, str) or place not in {*_STYLES, "cookie"}:
            raise UnusableOperationError(f"it has a parameter in {place!r:.80}")
        if place == "cookie" or (place == "header" and is_forbidden_header(name)):
            if required:
                raise UnusableOperationError(f"it needs {name!r:.80} in a {place}, which is not sent")
            return
        if parameter.get("style", _STYLES[place]) != _STYLES[place] or "content" in parameter:
            raise UnusableOperationError(f"its parameter {name!r:.80} has a style that is not known here")
        if place == "query" and parameter.get("explode") is False:
            raise UnusableOperationError(f"its parameter {name!r:.80} has a style that is not known here")
        where = {"path": self._path, "query": self.query, "header": self.headers}[place]
        where[name] = self._argument(name, parameter, required=required or place == "path")

    def add_body(self, body: Mapping[str, Json]) -> None:
        """Add the body; raises UnusableOperationError."""
        content = body.get("content")
        if not isinstance(content, dict) or not isinstance(content.get("application/json"), dict):
            raise UnusableOperationError("its body is not JSON")
        media = {"description": body.get("description"), **content["application/json"]}
        self.body = self._argument("body", media, required=body.get("required") is True)

    def _argument(self, name: str, holder: Mapping[str, Json], *, required: bool) -> str:
        argument = free = _NO_NAME.sub("_", name)[:60] or "_"
        while argument in self._properties:
            argument = f"{free}_{len(self._properties)}"
        schema = self._schemas.take(holder.get("schema", {}))
        if isinstance(schema, dict) and isinstance(text := holder.get("description"), str) and "$ref" not in schema:
            schema = {**schema, "description": text[:1024]}
        self._properties[argument] = schema
        if required:
            self._required.append(argument)
        return argument

    def in_path(self, name: str) -> str:
        """Return what stands for a parameter in the path; raises UnusableOperationError."""
        if name not in self._path:
            raise UnusableOperationError(f"its path has {{{name:.80}}}, which is no parameter")
        return f"{{{self._path[name]}}}"

    def schema(self) -> dict[str, Json]:
        """Return the schema of the arguments."""
        members = {"properties": self._properties, "required": self._required, "additionalProperties": False}
        return self._schemas.complete({"type": "object", **members})


def _answer(document: Mapping[str, Json], operation: Operation) -> tuple[str, dict[str, Json] | None]:
    """Return what a success answers, and the schema of the structured content, where it is known."""
    responses = operation.content.get("responses")
    if not isinstance(responses, dict):
        return "value", None
    for status in ("200", "201"):
        if status in responses:
            content = resolve(document, responses[status], "responses").get("content", {})
            media = content.get("application/json") if isinstance(content, dict) else None
            if not isinstance(media, dict):
                raise UnusableOperationError(f"its answer {status} is not JSON")
            return _content(document, media.get("schema", {}))
    if "204" in responses:
        return "nothing", None
    raise UnusableOperationError("it answers with none of the statuses 200, 201 and 204")


def _content(document: Mapping[str, Json], schema: Json) -> tuple[str, dict[str, Json]]:
    whole = Schemas(document).root(schema)
    if whole.get("type") == "object":
        return "object", whole
    schemas = Schemas(document)
    wrapped = {"type": "object", "properties": {RESULT: schemas.take(schema)}, "required": [RESULT]}
    return "value", schemas.complete(wrapped)


def _target(document: Mapping[str, Json], request: ImportRequest, operation: Operation) -> dict[str, Json]:
    if request.service is not None or request.document is None:
        return {"service": request.service or "nexus-gateway"}
    if request.server is not None:
        return {"server": request.server}
    for holder in (operation.content, operation.item, document):
        servers = holder.get("servers")
        if isinstance(servers, list) and servers and isinstance(servers[0], dict):
            url = servers[0].get("url")
            if not isinstance(url, str) or "{" in url:
                raise UnusableOperationError(f"its server {url!r:.200} is no plain address; give `server`")
            return {"server": url.removesuffix("/")}
    raise UnusableOperationError("it has no server; give `server`")


def _scopes(document: Mapping[str, Json], operation: Operation) -> set[str]:
    """The scopes of this stack that an operation asks for."""
    security = operation.content.get("security", document.get("security"))
    requirements = [one for one in security if isinstance(one, dict)] if isinstance(security, list) else []
    lists = [scopes for one in requirements for scopes in one.values() if isinstance(scopes, list)]
    return {scope for scopes in lists for scope in scopes if isinstance(scope, str)} & _SCOPES
