"""The resources on the stack: models of the data, and taxonomies with their codes."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol
from urllib.parse import quote

from pydantic_core import to_json

from mcp_server.protocol.errors import ResourceNotFoundError
from mcp_server.resources.registry import Resource, Template
from mcp_server.tools.request import Request


class Upstream(Protocol):
    """A service of the stack."""

    @property
    def scope(self) -> str:
        """The scope that a token needs there."""

    async def request(self, method: str, path: str, request: Request) -> Any:  # noqa: ANN401  any JSON value
        """Call the service on behalf of `request` and return the JSON of its answer."""


class StackResources:
    """Reads from dataflow-service and classification-service with a token of the caller."""

    def __init__(self, dataflow: Upstream, classification: Upstream) -> None:
        self._dataflow = dataflow
        self._classification = classification
        self._of_data = frozenset({dataflow.scope})
        self._of_codes = frozenset({classification.scope})

    def resources(self) -> list[Resource]:
        """Return the resources."""
        return [
            Resource(
                uri="nexus://models",
                name="models",
                title="Data models",
                description="The models of the stored data, each with its name and fields.",
                read=self._models,
                scopes=self._of_data,
            ),
            Resource(
                uri="nexus://taxonomies",
                name="taxonomies",
                title="Taxonomies",
                description="The taxonomies that products are classified by, with versions and numbers of codes.",
                read=self._taxonomies,
                scopes=self._of_codes,
            ),
        ]

    def templates(self) -> list[Template]:
        """Return the templates."""
        return [
            Template(
                uri_template="nexus://models/{name}",
                name="model",
                title="Data model",
                description="One model: fields, types, indexes, nodes and JSON Schema.",
                read=self._model,
                scopes=self._of_data,
                complete={"name": self._model_names},
            ),
            Template(
                uri_template="nexus://taxonomies/{name}/{version}/codes/{code}",
                name="code",
                title="Code of a taxonomy",
                description="One code: its title, the path from the root to it, and the codes right below it.",
                read=self._code,
                scopes=self._of_codes,
                complete={"name": self._taxonomy_names, "version": self._taxonomy_versions},
            ),
        ]

    async def _models(self, request: Request) -> str:
        return _text(await self._dataflow.request("GET", "/v1/models", request))

    async def _model(self, values: Mapping[str, str], request: Request) -> str:
        return _text(await self._dataflow.request("GET", f"/v1/models/{_segment(values['name'])}", request))

    async def _taxonomies(self, request: Request) -> str:
        return _text(await self._classification.request("GET", "/v1/taxonomies", request))

    async def _code(self, values: Mapping[str, str], request: Request) -> str:
        name, version, code = (_segment(values[part]) for part in ("name", "version", "code"))
        path = f"/v1/taxonomies/{name}/{version}/codes/{code}"
        return _text(await self._classification.request("GET", path, request))

    async def _model_names(self, begin: str, request: Request) -> Sequence[str]:
        answer = await self._dataflow.request("GET", "/v1/models", request)
        return _values(answer, "items", "name", begin)

    async def _taxonomy_names(self, begin: str, request: Request) -> Sequence[str]:
        answer = await self._classification.request("GET", "/v1/taxonomies", request)
        return _values(answer, "taxonomies", "name", begin)

    async def _taxonomy_versions(self, begin: str, request: Request) -> Sequence[str]:
        answer = await self._classification.request("GET", "/v1/taxonomies", request)
        return _values(answer, "taxonomies", "version", begin)


def _segment(value: str) -> str:
    """Return a value as one segment of a path, which it cannot leave; clients of HTTP resolve dots, also encoded ones."""
    if value in {".", ".."}:
        raise ResourceNotFoundError(value)
    return quote(value, safe="")


def _text(answer: object) -> str:
    return to_json(answer).decode()


def _values(answer: object, items: str, name: str, begin: str) -> list[str]:
    """Return the different values of a member of each item, those that begin with a text, in order."""
    rows = answer.get(items) if isinstance(answer, dict) else None
    found = [row.get(name) for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    return sorted({value for value in found if isinstance(value, str) and value.startswith(begin)})
