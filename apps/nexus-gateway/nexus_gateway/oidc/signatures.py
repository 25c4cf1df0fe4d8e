"""A strict reader of signed tokens (RFC 7515, compact form), on joserfc's signature algorithms."""

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from joserfc.errors import JoseError
from joserfc.jws import JWSRegistry

from nexus_chassis.strict_json import InvalidJsonError, loads
from nexus_gateway.oidc.errors import InvalidIdTokenError
from nexus_gateway.oidc.keys import VerificationKey, canonical_algorithm

MAX_TOKEN = 32 * 1024
_COMPACT = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]*)\.([A-Za-z0-9_-]+)", re.ASCII)
_TYPES = frozenset({"jwt", "application/jwt"})


@dataclass(frozen=True, slots=True)
class Unverified:
    """A token whose form is right and whose signature was not checked."""

    algorithm: str
    key_id: str | None
    payload: bytes
    _signed: bytes
    _signature: bytes

    def candidates(self, keys: Sequence[VerificationKey]) -> list[VerificationKey]:
        """The keys that the token's header can mean."""
        fitting = [key for key in keys if key.algorithm == self.algorithm]
        return fitting if self.key_id is None else [key for key in fitting if key.key_id in {self.key_id, None}]

    def verify(self, keys: Sequence[VerificationKey]) -> bytes:
        """The payload; raises InvalidIdTokenError unless exactly one key can be meant, and it made the signature."""
        candidates = self.candidates(keys)
        if len(candidates) != 1:
            found = f"{len(candidates)} keys" if candidates else "no key"
            raise InvalidIdTokenError(f"{found} of the provider fits its algorithm {self.algorithm!r} and key id")
        if not self._is_signed_by(candidates[0]):
            raise InvalidIdTokenError("its signature is not valid")
        return self.payload

    def _is_signed_by(self, key: VerificationKey) -> bool:
        model = JWSRegistry.algorithms[key.algorithm]
        try:
            model.check_key(key.key)
            return model.verify(self._signed, self._signature, key.key)
        except (JoseError, ValueError):
            return False


def read_token(token: str) -> Unverified:
    """The parts of a token in compact form; raises InvalidIdTokenError."""
    if len(token) > MAX_TOKEN:
        raise InvalidIdTokenError(f"it is longer than {MAX_TOKEN} characters")
    parts = _COMPACT.fullmatch(token)
    if parts is None:
        raise InvalidIdTokenError("it is not a signed JWT in compact form")
    header = read_object(_decode(parts[1]), "header")
    _require_header(header)
    algorithm = canonical_algorithm(header["alg"])
    signed = token[: parts.end(2)].encode()
    return Unverified(algorithm, header.get("kid"), _decode(parts[2]), signed, _decode(parts[3]))


def read_object(text: bytes, name: str) -> dict[str, Any]:
    """The JSON object that a part of a token is; raises InvalidIdTokenError."""
    try:
        value = loads(text)
    except InvalidJsonError as error:
        raise InvalidIdTokenError(f"its {name} is not valid JSON: {error}") from None
    if not isinstance(value, dict):
        raise InvalidIdTokenError(f"its {name} is not a JSON object")
    return value


def _require_header(header: dict[str, Any]) -> None:
    if not isinstance(header.get("alg"), str):
        raise InvalidIdTokenError("it names no algorithm")
    kind = header.get("typ", "JWT")
    if not isinstance(kind, str) or kind.lower() not in _TYPES:
        raise InvalidIdTokenError(f"its type is {kind!r:.60}, not 'JWT'")
    # No extension is understood here (RFC 7515 section 4.1.11), and `b64` changes what is signed (RFC 7797).
    if "crit" in header or "b64" in header:
        raise InvalidIdTokenError("its header has critical extensions")
    if not isinstance(header.get("kid", ""), str):
        raise InvalidIdTokenError("its key id is not a text")


def _decode(part: str) -> bytes:
    """The bytes of base64url, which must be their only spelling."""
    try:
        decoded = base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise InvalidIdTokenError("a part of it is not base64url") from None
    if base64.urlsafe_b64encode(decoded).rstrip(b"=").decode() != part:
        raise InvalidIdTokenError("a part of it is not base64url in its only spelling")
    return decoded
