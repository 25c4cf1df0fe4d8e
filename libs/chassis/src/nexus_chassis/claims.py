"""Claims of access tokens (RFC 9068) and the Principal that they make."""

import time
from typing import Any

from nexus_chassis.challenges import is_scope_token
from nexus_chassis.jose import InvalidTokenError
from nexus_chassis.principal import Principal

CLOCK_SKEW_SECONDS = 5
_MAX_ACTORS = 8
_TEXTS = ("iss", "sub", "jti", "client_id")
_OPTIONAL_TEXTS = ("sid", "tenant")


def make_principal(token: str, claims: dict[str, Any], issuer: str, audience: str, key_id: str) -> Principal:
    """The principal of a token whose signature is valid; raises InvalidTokenError."""
    scopes, actor = _read_scopes(claims), _read_actor(claims)
    _require_kinds(claims, scopes, actor)
    _require_addressed(claims, issuer, audience)
    _require_time(claims)
    return Principal(
        subject=claims["sub"],
        client_id=claims["client_id"],
        scopes=scopes or frozenset(),
        token=token,
        expires_at=claims["exp"],
        token_id=claims["jti"],
        session=claims.get("sid"),
        session_epoch=claims.get("session_epoch", 0),
        actor=actor or (),
        tenant=claims.get("tenant"),
        key_id=key_id,
    )


def _require_kinds(claims: dict[str, Any], scopes: frozenset[str] | None, actor: tuple[str, ...] | None) -> None:
    faults = [name for name in _TEXTS if not isinstance(claims.get(name), str)]
    faults += [name for name in ("exp", "iat") if type(claims.get(name)) is not int]
    faults += [name for name in _OPTIONAL_TEXTS if not isinstance(claims.get(name, ""), str)]
    faults += [name for name in ("nbf", "session_epoch") if type(claims.get(name, 0)) is not int]
    faults += ["scope"] if scopes is None else []
    faults += ["act"] if actor is None else []
    faults += ["aud"] if not _audiences(claims.get("aud")) else []
    if faults:
        raise InvalidTokenError(f"its claims {', '.join(faults)} are missing or of the wrong kind")


def _require_addressed(claims: dict[str, Any], issuer: str, audience: str) -> None:
    if claims["iss"] != issuer:
        raise InvalidTokenError(f"its issuer is {claims['iss']!r:.200}, not {issuer!r}")
    if audience not in _audiences(claims["aud"]):
        raise InvalidTokenError(f"its audience is {claims['aud']!r:.200}, not {audience!r}")


def _require_time(claims: dict[str, Any]) -> None:
    now = time.time()
    if claims["exp"] <= now:
        raise InvalidTokenError("it has expired")
    if claims["iat"] > now + CLOCK_SKEW_SECONDS or claims.get("nbf", 0) > now + CLOCK_SKEW_SECONDS:
        raise InvalidTokenError("it is not valid yet")


def _audiences(claim: object) -> list[object]:
    return claim if isinstance(claim, list) else [claim] if isinstance(claim, str) else []


def _read_scopes(claims: dict[str, Any]) -> frozenset[str] | None:
    """The scopes (RFC 8693 section 4.2); None where the claim is of the wrong kind."""
    claim = claims.get("scope", "")
    if not isinstance(claim, str):
        return None
    scopes = frozenset(claim.split(" ")) if claim else frozenset[str]()
    return scopes if all(map(is_scope_token, scopes)) else None


def _read_actor(claims: dict[str, Any]) -> tuple[str, ...] | None:
    """The subjects of nested `act` claims, the current actor first; None where one is of the wrong kind."""
    actors: list[str] = []
    claim = claims
    while "act" in claim:
        claim = claim["act"]
        if not isinstance(claim, dict) or not isinstance(claim.get("sub"), str) or len(actors) == _MAX_ACTORS:
            return None
        actors.append(claim["sub"])
    return tuple(actors)
