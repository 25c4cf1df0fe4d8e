"""What clients and services look up: the keys and the metadata of the authorization server."""

from typing import Any

from fastapi import Response

from nexus_chassis.routing import Router
from nexus_gateway.oauth.dependencies import Issuer
from nexus_gateway.oauth.keys.models import CACHE_SECONDS
from nexus_gateway.oauth.metadata import authorization_server_metadata

_CACHE_CONTROL = f"public, max-age={CACHE_SECONDS}"

router = Router(prefix="/.well-known", tags=["oauth"])


@router.get("/jwks.json", summary="Public keys of the access tokens")
async def jwks(issuer: Issuer, response: Response) -> dict[str, Any]:
    """JSON Web Key Set (RFC 7517)."""
    response.headers["Cache-Control"] = _CACHE_CONTROL
    return issuer.jwks


@router.get("/oauth-authorization-server", summary="Metadata of the authorization server")
async def metadata(issuer: Issuer, response: Response) -> dict[str, Any]:
    """Authorization server metadata (RFC 8414)."""
    response.headers["Cache-Control"] = _CACHE_CONTROL
    return authorization_server_metadata(issuer.issuer)
