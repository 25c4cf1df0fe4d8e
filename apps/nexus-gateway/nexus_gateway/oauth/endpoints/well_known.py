"""What clients and services look up: the keys and the metadata of the authorization server."""

from typing import Annotated, Any

from fastapi import Path, Response

from nexus_chassis.routing import Router
from nexus_gateway.oauth.dependencies import Issuer, Metadata
from nexus_gateway.oauth.keys.models import CACHE_SECONDS

_CACHE_CONTROL = f"public, max-age={CACHE_SECONDS}"

router = Router(prefix="/.well-known", tags=["oauth"])


@router.get("/jwks.json", summary="Public keys of the access tokens")
async def jwks(issuer: Issuer, response: Response) -> dict[str, Any]:
    """JSON Web Key Set (RFC 7517)."""
    response.headers["Cache-Control"] = _CACHE_CONTROL
    return issuer.jwks


@router.get("/oauth-authorization-server", summary="Metadata of the authorization server")
async def metadata(server: Metadata, response: Response) -> dict[str, Any]:
    """Authorization server metadata (RFC 8414)."""
    response.headers["Cache-Control"] = _CACHE_CONTROL
    return server.document()


@router.get("/oauth-authorization-server/{path:path}", summary="The same, where MCP clients look for it")
async def metadata_of_path(
    _: Annotated[str, Path(alias="path", max_length=200)], server: Metadata, response: Response
) -> dict[str, Any]:
    """The metadata, whatever path of a resource the client appends (RFC 8414 section 3.1)."""
    return await metadata(server, response)
