"""What an ID token must say (OpenID Connect Core 1.0, section 3.1.3.7)."""

import base64
import hashlib
import hmac
import math
import re
from dataclasses import dataclass
from typing import Any

from nexus_gateway.oidc.errors import InvalidIdTokenError
from nexus_gateway.oidc.signatures import Unverified, read_object

CLOCK_SKEW = 60
"""Seconds that a provider's clock may differ from this one."""

_MAX_AGE = 600
_SUBJECT = re.compile(r"[ -~]{1,255}")  # OpenID Connect Core 1.0, section 2


@dataclass(frozen=True, slots=True)
class Expected:
    """What an ID token must be for: one login that was begun here. `access_token` is the one it came with."""

    issuer: str
    client_id: str
    nonce: str
    access_token: str | None


def check_claims(token: Unverified, payload: bytes, expected: Expected, now: float) -> dict[str, Any]:
    """The claims of a token whose signature was verified; raises InvalidIdTokenError."""
    claims = read_object(payload, "payload")
    _require_parties(claims, expected)
    _require_times(claims, now)
    nonce = claims.get("nonce")
    if not isinstance(nonce, str) or not hmac.compare_digest(nonce.encode(), expected.nonce.encode()):
        raise InvalidIdTokenError("its nonce is not that of this login")
    _require_hash(claims, token.algorithm, expected.access_token)
    return claims


def _require_parties(claims: dict[str, Any], expected: Expected) -> None:
    if claims.get("iss") != expected.issuer:
        raise InvalidIdTokenError(f"its issuer is {claims.get('iss')!r:.100}, not {expected.issuer!r}")
    subject = claims.get("sub")
    if not isinstance(subject, str) or not _SUBJECT.fullmatch(subject):
        raise InvalidIdTokenError("its subject is not a text of 1 to 255 ASCII characters")
    audience = claims.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    if expected.client_id not in audiences:
        raise InvalidIdTokenError("it is for another audience")
    if len(audiences) > 1 and "azp" not in claims:
        raise InvalidIdTokenError("it is for several audiences and does not say who it was issued to (azp)")
    if claims.get("azp", expected.client_id) != expected.client_id:
        raise InvalidIdTokenError("it was issued to another client (azp)")


def _require_times(claims: dict[str, Any], now: float) -> None:
    if _time(claims, "exp", required=True) <= now - CLOCK_SKEW:
        raise InvalidIdTokenError("it has expired")
    issued = _time(claims, "iat", required=True)
    if not now - _MAX_AGE - CLOCK_SKEW <= issued <= now + CLOCK_SKEW:
        raise InvalidIdTokenError("it was not issued during this login (iat)")
    for name in ("nbf", "auth_time"):
        if _time(claims, name) > now + CLOCK_SKEW:
            raise InvalidIdTokenError(f"its {name} is in the future")


def _time(claims: dict[str, Any], name: str, *, required: bool = False) -> float:
    """A time in seconds since 1970; 0 for one that may be missing."""
    if name not in claims and not required:
        return 0
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise InvalidIdTokenError(f"its {name} is missing or not a number")
    return value


def _require_hash(claims: dict[str, Any], algorithm: str, access_token: str | None) -> None:
    """Where the token says which access token it came with (at_hash), it must be the one that came."""
    if "at_hash" not in claims:
        return
    digest = hashlib.new(f"sha{algorithm[2:]}" if algorithm[2:].isdigit() else "sha512", (access_token or "").encode())
    half = digest.digest()[: digest.digest_size // 2]
    expected = base64.urlsafe_b64encode(half).rstrip(b"=").decode()
    if access_token is None or claims["at_hash"] != expected:
        raise InvalidIdTokenError("it came with another access token (at_hash)")
