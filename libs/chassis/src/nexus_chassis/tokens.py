"""Verification of access tokens: RFC 9068 JWTs, signed with Ed25519 (RFC 8037, RFC 9864)."""

import asyncio
import logging
import re
import time
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import Annotated, Any

import aiohttp
from fastapi import Depends
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey
from joserfc.jws import extract_compact
from starlette.requests import HTTPConnection

from nexus_chassis.admission import ticket_of
from nexus_chassis.problems import Problem
from nexus_chassis.runtime import runtime_of

ALGORITHM = "Ed25519"
TOKEN_TYPE = "at+jwt"  # noqa: S105  the JOSE header's type, no secret
CLOCK_SKEW_SECONDS = 5
KEYS_FRESH_SECONDS = 300.0
KEYS_RETRY_SECONDS = 1.0
_FETCH_SECONDS = 2.0
_VERIFIED_TOKENS = 4096
_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{86}")
_TEXT_CLAIMS = ("iss", "sub", "jti", "client_id")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Principal:
    """Who a verified access token speaks for. `expires_at` is in seconds since 1970."""

    subject: str
    client_id: str
    scopes: frozenset[str]
    token: str
    expires_at: int
    token_id: str
    session: str | None = None


class InvalidTokenError(Exception):
    """The token is not one that this service accepts; the text says why."""


async def fetch_jwks(url: str) -> dict[str, Any]:
    """The JSON Web Key Set (RFC 7517) at `url`."""
    timeout = aiohttp.ClientTimeout(total=_FETCH_SECONDS)
    async with aiohttp.ClientSession(timeout=timeout, raise_for_status=True) as session, session.get(url) as response:
        return dict(await response.json(content_type=None))


class TokenVerifier:
    """Accepts the access tokens of one issuer for one audience, and no others."""

    def __init__(
        self,
        issuer: str,
        audience: str,
        jwks_url: str,
        *,
        fetch: Callable[[str], Awaitable[dict[str, Any]]] = fetch_jwks,
    ) -> None:
        self._issuer = issuer
        self._audience = audience
        self._keys = _Keys(jwks_url, fetch)
        self._verified: dict[str, Principal] = {}

    async def verify(self, token: str) -> Principal:
        """Who the token speaks for.

        Raises InvalidTokenError when the token is not acceptable, Problem 503 when the issuer's keys cannot be had.
        """
        known = self._verified.get(token)
        if known is not None and known.expires_at > time.time():
            return known
        principal = self._principal(token, await self._claims(token))
        if len(self._verified) >= _VERIFIED_TOKENS:
            self._verified.clear()
        self._verified[token] = principal
        return principal

    async def _claims(self, token: str) -> dict[str, Any]:
        if not _COMPACT.fullmatch(token):
            raise InvalidTokenError("it is not a signed JWT in compact form")
        try:
            header = extract_compact(token.encode()).headers()
            key = await self._keys.get(_key_id(header))
            return dict(jwt.decode(token, key, algorithms=[ALGORITHM]).claims)
        except (JoseError, ValueError) as error:
            raise InvalidTokenError(f"its signature or form is not valid ({type(error).__name__})") from None

    def _principal(self, token: str, claims: dict[str, Any]) -> Principal:
        _require_claims(claims)
        if claims["iss"] != self._issuer:
            raise InvalidTokenError(f"its issuer is {claims['iss']!r}, not {self._issuer!r}")
        if self._audience not in _audiences(claims["aud"]):
            raise InvalidTokenError(f"its audience is {claims['aud']!r}, not {self._audience!r}")
        now = time.time()
        if claims["exp"] <= now:
            raise InvalidTokenError("it has expired")
        if claims["iat"] > now + CLOCK_SKEW_SECONDS or claims.get("nbf", 0) > now + CLOCK_SKEW_SECONDS:
            raise InvalidTokenError("it is not valid yet")
        scopes = frozenset(claims.get("scope", "").split())
        return Principal(
            claims["sub"], claims["client_id"], scopes, token, claims["exp"], claims["jti"], claims.get("sid")
        )


def _key_id(header: dict[str, Any]) -> str:
    if header.get("alg") != ALGORITHM:
        raise InvalidTokenError(f"its algorithm is {header.get('alg')!r}, not {ALGORITHM!r}")
    if str(header.get("typ", "")).lower().removeprefix("application/") != TOKEN_TYPE:
        raise InvalidTokenError(f"its type is {header.get('typ')!r}, not {TOKEN_TYPE!r}")
    if not isinstance(header.get("kid"), str):
        raise InvalidTokenError("it names no key (kid)")
    return str(header["kid"])


def _require_claims(claims: dict[str, Any]) -> None:
    faults = [name for name in _TEXT_CLAIMS if not isinstance(claims.get(name), str)]
    faults += [name for name in ("exp", "iat") if type(claims.get(name)) is not int]
    faults += [name for name in ("scope", "sid") if not isinstance(claims.get(name, ""), str)]
    faults += ["nbf"] if type(claims.get("nbf", 0)) is not int else []
    faults += ["aud"] if not _audiences(claims.get("aud")) else []
    if faults:
        raise InvalidTokenError(f"its claims {', '.join(faults)} are missing or of the wrong kind")


def _audiences(claim: object) -> list[object]:
    return claim if isinstance(claim, list) else [claim] if isinstance(claim, str) else []


class _Keys:
    """The issuer's public keys by key id, fetched when needed and kept while the issuer is away."""

    def __init__(self, url: str, fetch: Callable[[str], Awaitable[dict[str, Any]]]) -> None:
        self._url = url
        self._fetch = fetch
        self._keys: dict[str, OKPKey] = {}
        self._fetched = float("-inf")
        self._tried = float("-inf")
        self._lock = asyncio.Lock()

    async def get(self, kid: str) -> OKPKey:
        stale = time.monotonic() - self._fetched > KEYS_FRESH_SECONDS
        if (stale or kid not in self._keys) and time.monotonic() - self._tried > KEYS_RETRY_SECONDS:
            await self._refresh()
        elif kid not in self._keys:
            async with self._lock:  # a fetch may be under way
                pass
        if kid in self._keys:
            return self._keys[kid]
        if self._fetched == float("-inf"):
            raise Problem(
                503,
                "token-keys-unavailable",
                "Access tokens cannot be verified now",
                "The keys of the token issuer could not be fetched. Try again in a few seconds.",
                headers={"Retry-After": "5"},
            )
        raise InvalidTokenError("it is signed with a key that the issuer does not publish")

    async def _refresh(self) -> None:
        async with self._lock:
            if time.monotonic() - self._tried <= KEYS_RETRY_SECONDS:
                return
            self._tried = time.monotonic()  # who comes meanwhile uses the keys that are known
            try:
                self._keys = _ed25519_keys(await self._fetch(self._url))
                self._fetched = time.monotonic()
            except (aiohttp.ClientError, TimeoutError, ValueError) as error:
                _log.warning("cannot fetch the keys at %s: %s", self._url, repr(error))
            finally:
                self._tried = time.monotonic()


def _ed25519_keys(jwks: dict[str, Any]) -> dict[str, OKPKey]:
    wanted = {"kty": "OKP", "crv": "Ed25519", "alg": ALGORITHM}
    return {
        key["kid"]: OKPKey.import_key({name: key[name] for name in ("kty", "crv", "x", "kid", "alg")})
        for key in jwks.get("keys", [])
        if all(key.get(name) == value for name, value in wanted.items()) and isinstance(key.get("kid"), str)
    }


def unauthorized(reason: str | None = None) -> Problem:
    """401 for a request without an acceptable token (RFC 6750 section 3); `reason` None means that none was sent."""
    if reason is None:
        detail = "This needs an access token. Send it as 'Authorization: Bearer TOKEN'."
        challenge = "Bearer"
    else:
        detail = f"The access token is refused: {reason}. Get a new one from the gateway."
        challenge = 'Bearer error="invalid_token"'
    return Problem(401, "unauthorized", "An access token is needed", detail, headers={"WWW-Authenticate": challenge})


def forbidden(missing: Collection[str]) -> Problem:
    """403 for a token that lacks scopes (RFC 6750 section 3.1)."""
    names = " ".join(sorted(missing))
    return Problem(
        403,
        "insufficient-scope",
        "The access token does not allow this",
        f"The access token lacks the scope {names}. Ask for a token that has it.",
        headers={"WWW-Authenticate": f'Bearer error="insufficient_scope", scope="{names}"'},
        missing_scopes=sorted(missing),
    )


def bearer_token(connection: HTTPConnection) -> str | None:
    """The token of the Authorization header, if it has one."""
    scheme, _, token = connection.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None


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
    """A FastAPI dependency that gives the Principal, and refuses tokens that lack one of `scopes`."""
    wanted = frozenset(scopes)

    async def authorize(principal: Annotated[Principal, Depends(authenticate)]) -> Principal:
        if missing := wanted - principal.scopes:
            raise forbidden(missing)
        return principal

    return authorize
