"""A strict reader of signed JWTs (RFC 7515, RFC 7519) and key sets (RFC 7517) for Ed25519 (RFC 8037, RFC 9864).

It refuses what readers are known to differ on: duplicate members, other encodings than UTF-8, padding and stray bits in
base64url, critical extensions, and algorithms chosen by the token.
"""

import base64
import binascii
import re
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from nexus_chassis.strict_json import InvalidJsonError, loads

ALGORITHM = "Ed25519"
MAX_TOKEN_BYTES = 8 * 1024
_MAX_KEY_ID = 256
_COMPACT = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]{86})", re.ASCII)
_KEY_BYTES = 32


class InvalidTokenError(Exception):
    """The token is not one that this service accepts; the text is the reason."""


@dataclass(frozen=True, slots=True)
class SignedToken:
    """A token whose form is right and whose signature is not verified yet."""

    key_id: str
    claims: dict[str, Any]
    _signed: bytes
    _signature: bytes

    def verify(self, key: Ed25519PublicKey) -> None:
        """Raise InvalidTokenError unless the key made the signature."""
        try:
            key.verify(self._signature, self._signed)
        except InvalidSignature:
            raise InvalidTokenError("its signature is not valid") from None


def read_token(token: str, token_type: str) -> SignedToken:
    """The parts of a JWS in compact form (RFC 7515 section 3.1); raises InvalidTokenError."""
    if len(token) > MAX_TOKEN_BYTES:
        raise InvalidTokenError(f"it is longer than {MAX_TOKEN_BYTES} bytes")
    parts = _COMPACT.fullmatch(token)
    if parts is None:
        raise InvalidTokenError("it is not a signed JWT in compact form")
    header = _read_object(parts[1], "header")
    _require_header(header, token_type)
    signature = _decode(parts[3], "signature")
    signed = token[: parts.end(2)].encode()
    return SignedToken(header["kid"], _read_object(parts[2], "payload"), signed, signature)


def _require_header(header: dict[str, Any], token_type: str) -> None:
    if header.get("alg") != ALGORITHM:
        raise InvalidTokenError(f"its algorithm is {header.get('alg')!r:.60}, not {ALGORITHM!r}")
    if str(header.get("typ")).lower().removeprefix("application/") != token_type:
        raise InvalidTokenError(f"its type is {header.get('typ')!r:.60}, not {token_type!r}")
    if "crit" in header:  # RFC 7515 section 4.1.11: none of its extensions is understood here, and it must not be empty
        raise InvalidTokenError("its header has critical extensions (crit)")
    key_id = header.get("kid")
    if not isinstance(key_id, str) or not 0 < len(key_id) <= _MAX_KEY_ID:
        raise InvalidTokenError("it names no key (kid)")


def _read_object(part: str, name: str) -> dict[str, Any]:
    try:
        value = loads(_decode(part, name))
    except InvalidJsonError as error:
        raise InvalidTokenError(f"its {name} is not valid JSON: {error}") from None
    if not isinstance(value, dict):
        raise InvalidTokenError(f"its {name} is not a JSON object")
    return value


def _decode(part: str, name: str) -> bytes:
    decoded = _from_base64url(part)
    if decoded is None:
        raise InvalidTokenError(f"its {name} is not base64url")
    return decoded


def _from_base64url(text: str) -> bytes | None:
    """The bytes of base64url without padding (RFC 7515 section 2); None unless it is their only spelling."""
    try:
        decoded = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    return decoded if base64.urlsafe_b64encode(decoded).rstrip(b"=").decode() == text else None


def read_keys(jwks: object) -> dict[str, Ed25519PublicKey]:
    """The Ed25519 keys of a JWK Set by key id; entries that are anything else are skipped (RFC 7517 section 5).

    A key id that is there twice names no key. Raises ValueError when it is not a JWK Set.
    """
    entries = jwks.get("keys") if isinstance(jwks, dict) else None
    if not isinstance(entries, list):
        raise ValueError("it is not a JWK Set: there is no list `keys`")  # noqa: TRY004  as for any other bad content
    named = [(entry.get("kid"), _read_key(entry)) for entry in entries if isinstance(entry, dict)]
    ids = [key_id for key_id, _ in named]
    return {
        key_id: key
        for key_id, key in named
        if isinstance(key_id, str) and key_id and key is not None and ids.count(key_id) == 1
    }


def _read_key(entry: dict[str, Any]) -> Ed25519PublicKey | None:
    if entry.get("kty") != "OKP" or entry.get("crv") != "Ed25519" or "d" in entry:
        return None
    if entry.get("alg", ALGORITHM) != ALGORITHM or entry.get("use", "sig") != "sig" or not _may_verify(entry):
        return None
    encoded = entry.get("x")
    raw = _from_base64url(encoded) if isinstance(encoded, str) else None
    return Ed25519PublicKey.from_public_bytes(raw) if raw is not None and len(raw) == _KEY_BYTES else None


def _may_verify(entry: dict[str, Any]) -> bool:
    operations = entry.get("key_ops", ["verify"])
    return isinstance(operations, list) and "verify" in operations
