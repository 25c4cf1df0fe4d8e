"""Verification of access tokens: RFC 9068 JWTs, signed with Ed25519 (RFC 8037, RFC 9864)."""

import time
from collections.abc import Awaitable, Callable

from cachetools import LRUCache
from starlette.requests import HTTPConnection

from nexus_chassis.admission import ticket_of
from nexus_chassis.challenges import bearer_token, forbidden, quote_header_value, unauthorized, validate_scope_token
from nexus_chassis.claims import make_principal
from nexus_chassis.issuer_keys import Fetch, IssuerKeys, PublicKeys, fetch_json
from nexus_chassis.jose import ALGORITHM, InvalidTokenError, read_token
from nexus_chassis.principal import Principal
from nexus_chassis.revocations import Revocations
from nexus_chassis.runtime import runtime_of

__all__ = [
    "ALGORITHM",
    "TOKEN_TYPE",
    "InvalidTokenError",
    "Principal",
    "TokenVerifier",
    "authenticate",
    "bearer_token",
    "forbidden",
    "quote_header_value",
    "require",
    "unauthorized",
    "validate_scope_token",
]

TOKEN_TYPE = "at+jwt"  # noqa: S105  the JOSE header's type, not a secret
_VERIFIED_TOKENS = 4096


class TokenVerifier:
    """Accepts the access tokens of one issuer for one audience, and no others.

        `keys` are the issuer's: the URL of its JWK Set, or the keys themselves. `revocations`, where given, are what ended
    before its tokens expire.
    """

    def __init__(
        self,
        issuer: str,
        audience: str,
        keys: str | PublicKeys,
        *,
        fetch: Fetch = fetch_json,
        revocations: Revocations | None = None,
    ) -> None:
        self._issuer = issuer
        self._audience = audience
        self._keys = IssuerKeys(keys, fetch) if isinstance(keys, str) else keys
        self._revocations = revocations
        self._verified: LRUCache[str, Principal] = LRUCache(_VERIFIED_TOKENS)
        if revocations is not None and isinstance(self._keys, IssuerKeys):
            revocations.on_withdrawal(self._keys.withdraw)

    async def verify(self, token: str) -> Principal:
        """Who the token speaks for.

        Raises InvalidTokenError when the token is not acceptable, Problem 503 when the issuer's keys cannot be had.
        """
        principal = self._verified.get(token)
        if principal is None or principal.expires_at <= time.time():
            principal = await self._verify_anew(token)
        else:
            await self._keys.get(principal.key_id)  # a withdrawn key's tokens end, verified before or not
        if self._revocations is not None and (reason := self._revocations.reason(principal)) is not None:
            raise InvalidTokenError(reason)
        return principal

    async def _verify_anew(self, token: str) -> Principal:
        signed = read_token(token, TOKEN_TYPE)
        signed.verify(await self._keys.get(signed.key_id))
        principal = make_principal(token, signed.claims, self._issuer, self._audience, signed.key_id)
        self._verified[token] = principal
        return principal


async def authenticate(connection: HTTPConnection) -> Principal:
    """Who sent this request, by the application's verifier; raises Problem 401 or 503."""
    token = bearer_token(connection)
    if token is None:
        raise unauthorized()
    verifier = runtime_of(connection).verifier
    if verifier is None:
        raise RuntimeError("build_app got no verifier")
    try:
        principal = await verifier.verify(token)
    except InvalidTokenError as error:
        raise unauthorized(str(error)) from None
    if (ticket := ticket_of(connection)) is not None:
        ticket.assign(principal.subject)
    return principal


def require(*scopes: str) -> Callable[..., Awaitable[Principal]]:
    """A FastAPI dependency that returns the Principal, and refuses tokens that lack one of `scopes`."""
    wanted = frozenset(scopes)

    async def authorize(connection: HTTPConnection) -> Principal:
        principal = await authenticate(
            connection
        )  # called, for each dependency of FastAPI's costs as much as this check
        if missing := wanted - principal.scopes:
            raise forbidden(missing)
        return principal

    return authorize
