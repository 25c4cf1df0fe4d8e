"""Makes one OpenAPI 3.1 document of the gateway's own and those of the routed services."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from nexus_chassis.openapi import BEARER, PROBLEM_CONTENT, PROBLEM_SCHEMA
from nexus_gateway.openapi.errors import UnusableDocumentError
from nexus_gateway.openapi.renaming import prefixed, used_components, with_prefix

type Document = dict[str, Any]

UNAVAILABLE = "x-unavailable-services"
"""Extension that names the services whose operations are left out, because they did not answer."""

_METHODS = frozenset({"get", "put", "post", "delete", "options", "head", "patch", "trace"})
_NO_IDENTIFIER = re.compile("[^A-Za-z0-9]+")
_BEARER: list[dict[str, list[str]]] = [{"bearer": []}]
_ANYBODY: list[dict[str, list[str]]] = []
_OPEN_PATHS = re.compile(r"/(livez|readyz|static/.*|\.well-known/.*|oauth/(?!token$).*)|/v1/sessions/refresh")
_OTHER_SECURITY = {
    ("post", "/v1/sessions"): _ANYBODY,
    ("post", "/oauth/token"): [{"basic": []}],
    ("get", "/health"): [{}, *_BEARER],
    ("get", "/v1/status"): [{}, *_BEARER],
}
_SECURITY_SCHEMES = {
    "bearer": BEARER,
    "basic": {"type": "http", "scheme": "basic", "description": "Id and secret of an OAuth client."},
}
_PROBLEM_RESPONSE: Document = {
    "description": "Why the request failed",
    "content": PROBLEM_CONTENT,
}
_PROBLEM = {"$ref": "#/components/responses/Problem"}
_OAUTH_PROBLEM_SCHEMA = {
    "type": "object",
    "title": "OAuthProblem",
    "description": "An error of OAuth (RFC 6749 section 5.2), which is a problem as well.",
    "properties": {
        **PROBLEM_SCHEMA["properties"],
        "error": {"type": "string", "title": "Error"},
        "error_description": {"type": "string", "title": "Error Description"},
    },
    "required": ["type", "title", "status", "detail", "error", "error_description"],
    "additionalProperties": True,
}
_OAUTH_PROBLEM_RESPONSE = {
    "description": "Why the request failed",
    "content": {
        **_PROBLEM_RESPONSE["content"],
        "application/json": {"schema": {"$ref": "#/components/schemas/OAuthProblem"}},
    },
}
_OAUTH_PROBLEM = {"$ref": "#/components/responses/OAuthProblem"}
_OAUTH_PATHS = frozenset({"/oauth/token", "/oauth/revoke", "/oauth/introspect", "/oauth/register"})


@dataclass(frozen=True, slots=True)
class Source:
    """A routed service: the name of its route, the route's prefix, and its document."""

    name: str
    service: str
    prefix: str
    document: Document


def merge(own: Document, issuer: str, sources: list[Source], away: list[str]) -> Document:
    """The document; `own` is the gateway's, `away` are the services that are left out."""
    parts, left_out = _usable(sources)
    documents = [_own_part(own), *parts]
    merged: Document = {
        "openapi": "3.1.0",
        "info": {"title": "Nexus", "version": own["info"]["version"], "description": _DESCRIPTION},
        "servers": [{"url": issuer}],
        "security": _BEARER,
        "tags": [{"name": source.name, "description": source.service} for source in sources],
        "paths": {path: item for document in documents for path, item in document["paths"].items()},
        "components": _all_components(documents),
    }
    _make_ids_unique(merged["paths"])
    return merged | ({UNAVAILABLE: unavailable} if (unavailable := sorted([*away, *left_out])) else {})


_DESCRIPTION = "The gateway's operations, and those of the services behind it."


def _usable(sources: list[Source]) -> tuple[list[Document], list[str]]:
    parts, left_out = [], []
    for source in sources:
        try:
            parts.append(_service_part(source))
        except UnusableDocumentError:
            left_out.append(source.service)
    return parts, left_out


def _own_part(own: Document) -> Document:
    paths = {path: _own_item(path, item) for path, item in own["paths"].items()}
    used = _pruned({"paths": paths, "components": own.get("components", {})})
    return used | {"paths": _with_problems(paths)}


def _own_item(path: str, item: Mapping[str, Any]) -> Document:
    return {
        method: _without_errors(operation) | _security(method, path) if method in _METHODS else operation
        for method, operation in item.items()
    }


def _security(method: str, path: str) -> Document:
    if _OPEN_PATHS.fullmatch(path):
        return {"security": _ANYBODY}
    other = _OTHER_SECURITY.get((method, path))
    return {} if other is None else {"security": other}


def _service_part(source: Source) -> Document:
    """The paths that the route reaches, under their public names; raises UnusableDocumentError."""
    try:
        document = source.document
        if not str(document["openapi"]).startswith("3.1."):
            raise UnusableDocumentError("it is not of OpenAPI 3.1")
        paths = {
            source.prefix + path.removeprefix("/v1"): _service_item(path, item, source)
            for path, item in document["paths"].items()
            if path.startswith("/v1/")
        }
        used = _pruned({"paths": paths, "components": document.get("components", {})})
        components = _prefixed_components(used, source)
        return {"paths": _with_problems(with_prefix(used["paths"], source.name)), "components": components}
    except (AttributeError, KeyError, TypeError, RecursionError) as error:
        raise UnusableDocumentError(f"it is no OpenAPI document: {error}") from error


def _prefixed_components(document: Document, source: Source) -> Document:
    return {
        section: dict(_renamed_component(name, value, source) for name, value in members.items())
        for section, members in document["components"].items()
    }


def _renamed_component(name: str, value: Any, source: Source) -> tuple[str, Any]:  # noqa: ANN401  any JSON value
    """The component under its new name, which is its title too: some generators name types by the title."""
    new, component = prefixed(source.name, name), with_prefix(value, source.name)
    return new, component | {"title": new} if "title" in component else component


def _service_item(path: str, item: Mapping[str, Any], source: Source) -> Document:
    operations = {
        method: _service_operation(method, path, operation, source)
        for method, operation in item.items()
        if method in _METHODS
    }
    return operations | {key: item[key] for key in ("parameters", "summary", "description") if key in item}


def _service_operation(method: str, path: str, operation: Mapping[str, Any], source: Source) -> Document:
    kept = {key: value for key, value in operation.items() if key not in {"security", "servers"}}
    own_id = operation.get("operationId") or f"{method}{path}"
    name = _NO_IDENTIFIER.sub("_", f"{source.name}_{own_id}").strip("_")
    return _without_errors(kept) | {"operationId": name, "tags": [source.name]}


def _without_errors(operation: Mapping[str, Any]) -> Document:
    """Without the error that FastAPI declares and no service here answers, and that for whatever fails, which is added."""
    responses = {
        status: response
        for status, response in operation["responses"].items()
        if status != "default" and not (status == "422" and "HTTPValidationError" in str(response))
    }
    return {**operation, "responses": responses}


def _with_problems(paths: Document) -> Document:
    """The paths with a problem as each operation's error."""
    for path, item in paths.items():
        for operation in _operations({path: item}):
            operation["responses"]["default"] = _OAUTH_PROBLEM if path in _OAUTH_PATHS else _PROBLEM
    return paths


def _pruned(document: Document) -> Document:
    return {**document, "components": used_components(document)}


def _all_components(documents: list[Document]) -> Document:
    merged: Document = {
        "schemas": {"Problem": PROBLEM_SCHEMA, "OAuthProblem": _OAUTH_PROBLEM_SCHEMA},
        "responses": {"Problem": _PROBLEM_RESPONSE, "OAuthProblem": _OAUTH_PROBLEM_RESPONSE},
        "securitySchemes": _SECURITY_SCHEMES,
    }
    for document in documents:
        for section, members in document["components"].items():
            merged[section] = {**members, **merged.get(section, {})}
    return merged


def _make_ids_unique(paths: Document) -> None:
    taken: set[str] = set()
    for operation in _operations(paths):
        name = wanted = operation["operationId"]
        number = 1
        while name in taken:
            number += 1
            name = f"{wanted}_{number}"
        taken.add(name)
        operation["operationId"] = name


def _operations(paths: Document) -> Iterator[Document]:
    for item in paths.values():
        yield from (operation for method, operation in item.items() if method in _METHODS)
