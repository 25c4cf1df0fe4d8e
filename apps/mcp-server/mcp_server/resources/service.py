"""Lists and reads resources."""

from base64 import b64encode
from collections.abc import Sequence
from typing import Any

from mcp_server.errors import AgentFacingError
from mcp_server.protocol.errors import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    InsufficientScopeError,
    ResourceNotFoundError,
    RpcError,
)
from mcp_server.protocol.messages import InputRequired, Result
from mcp_server.resources.registry import Body, Resource, Template
from mcp_server.tools.request import Request


class ResourceService:
    """The resources of the server."""

    def __init__(self, resources: Sequence[Resource], templates: Sequence[Template]) -> None:
        self._resources = {resource.uri: resource for resource in resources}
        self._templates = {template.uri_template: template for template in templates}

    def resources(self, scopes: frozenset[str]) -> list[dict[str, Any]]:
        """Return the resources that a token with these scopes may read."""
        return [resource.definition() for resource in self._resources.values() if resource.scopes <= scopes]

    def templates(self, scopes: frozenset[str]) -> list[dict[str, Any]]:
        """Return the templates that a token with these scopes may read."""
        return [template.definition() for template in self._templates.values() if template.scopes <= scopes]

    async def read(self, uri: str, request: Request) -> Result | InputRequired:
        """Return the content of a resource.

        Raises:
            RpcError: There is none, the token lacks its scopes, or it cannot be read now.
        """
        resource = self._find(uri)
        if missing := resource[0].scopes - request.principal.scopes:
            raise InsufficientScopeError(uri, resource[0].scopes, missing)
        try:
            body = await self._body(resource, request)
        except AgentFacingError as error:
            raise RpcError(INTERNAL_ERROR, str(error)) from None
        if isinstance(body, InputRequired):
            return body
        content = {"text": body} if isinstance(body, str) else {"blob": b64encode(body).decode()}
        return {"contents": [{"uri": uri, "mimeType": resource[0].mime_type, **content}]}

    def require(self, uri: str) -> None:
        """Raise ResourceNotFoundError for a URI that no resource has."""
        self._find(uri)

    async def complete(self, template: str, argument: str, value: str, request: Request) -> Sequence[str]:
        """Return the values of a variable of a template that begin with `value`.

        Raises:
            RpcError: There is no such template.
        """
        found = self._templates.get(template)
        if found is None or found.scopes - request.principal.scopes:
            raise RpcError(INVALID_PARAMS, f"There is no resource template {template!r:.300}")
        complete = found.complete.get(argument)
        return [] if complete is None else await complete(value, request)

    def _find(self, uri: str) -> tuple[Resource | Template, dict[str, str]]:
        if (resource := self._resources.get(uri)) is not None:
            return resource, {}
        for template in self._templates.values():
            if (values := template.match(uri)) is not None:
                return template, values
        raise ResourceNotFoundError(uri)

    async def _body(self, resource: tuple[Resource | Template, dict[str, str]], request: Request) -> Body:
        found, values = resource
        return await (found.read(request) if isinstance(found, Resource) else found.read(values, request))
