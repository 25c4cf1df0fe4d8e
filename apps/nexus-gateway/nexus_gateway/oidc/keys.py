"""The public keys of a provider (RFC 7517), each with the one algorithm that it verifies.

joserfc reads and uses the keys. What it leaves open is closed here: keys too weak for their algorithm, keys that several
algorithms could use, and key sets that hold secrets or the same id twice.
"""

import base64
import warnings
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import Key, import_key

_RSA, _EC, _OKP, _OCT = "RSA", "EC", "OKP", "oct"
_KINDS: Final = {
    **{f"{family}{size}": (_RSA, None) for family in ("RS", "PS") for size in (256, 384, 512)},
    **{f"HS{size}": (_OCT, None) for size in (256, 384, 512)},
    "ES256": (_EC, "P-256"),
    "ES384": (_EC, "P-384"),
    "ES512": (_EC, "P-521"),
    "Ed25519": (_OKP, "Ed25519"),
}
"""Type and curve of the keys of each algorithm."""

ALGORITHMS: Final = frozenset({*_KINDS, "EdDSA"})
"""What may sign ID tokens; `EdDSA` is the former name of `Ed25519` (RFC 9864)."""

_MEMBERS: Final = {_RSA: ("n", "e"), _EC: ("crv", "x", "y"), _OKP: ("crv", "x"), _OCT: ("k",)}
_PRIVATE_MEMBERS: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth"})
_MIN_RSA_BITS, _MAX_RSA_BITS = 2048, 8192
_MIN_EXPONENT, _MAX_EXPONENT = 65537, 2**32
_MAX_KEYS = 100
_MAX_KEY_ID = 256


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """A key, the id that the provider gave it, and the algorithm that it is used with."""

    key_id: str | None
    algorithm: str
    key: Key


def canonical_algorithm(name: str) -> str:
    """The one name of an algorithm that has two."""
    return "Ed25519" if name == "EdDSA" else name


def is_symmetric(algorithm: str) -> bool:
    """Whether the key of the algorithm is a secret that both sides have."""
    return algorithm.startswith("HS")


def read_keys(jwks: object, allowed: Collection[str]) -> list[VerificationKey]:
    """The keys of a JWK Set that verify signatures by one of the `allowed` algorithms; others are skipped.

    Where two keys have the same id, neither is used. Raises ValueError for what is no JWK Set, and for one that holds
    private keys or secrets beside public keys.
    """
    entries = jwks.get("keys") if isinstance(jwks, dict) else None
    if not isinstance(entries, list) or len(entries) > _MAX_KEYS:
        raise ValueError(f"it is not a JWK Set: there is no list `keys` of at most {_MAX_KEYS} keys")
    keys = [entry for entry in entries if isinstance(entry, dict)]
    _require_no_secrets(keys)
    names = [entry.get("kid") for entry in keys if _may_verify(entry)]
    algorithms = {canonical_algorithm(name) for name in allowed}
    found = [_read_key(entry, algorithms) for entry in keys]
    return [key for key in found if key is not None and (key.key_id is None or names.count(key.key_id) == 1)]


def secret_key(secret: str, algorithms: Collection[str]) -> list[VerificationKey]:
    """The key that a client secret is (OpenID Connect Core 1.0, section 10.1): its UTF-8 bytes; none if it is too short."""
    if not secret:
        return []
    encoded = base64.urlsafe_b64encode(secret.encode()).rstrip(b"=").decode()
    key = _import({"kty": _OCT, "k": encoded})
    found = [VerificationKey(None, algorithm, key) for algorithm in algorithms]
    return [candidate for candidate in found if _is_strong(candidate)]


def _require_no_secrets(keys: Iterable[dict[str, Any]]) -> None:
    """A provider that publishes them has none left: whoever reads the set can sign."""
    types = {_text(entry.get("kty")) for entry in keys}
    if _OCT in types and len(types) > 1:
        raise ValueError("it mixes secrets with public keys")
    if any(not _PRIVATE_MEMBERS.isdisjoint(entry) for entry in keys):
        raise ValueError("it holds a private key")


def _read_key(entry: dict[str, Any], allowed: Collection[str]) -> VerificationKey | None:
    key_id, algorithm = entry.get("kid"), _algorithm(entry, allowed)
    if algorithm is None or not _may_verify(entry) or not _is_key_id(key_id):
        return None
    members = {name: entry.get(name) for name in ("kty", *_MEMBERS[entry["kty"]])}
    try:
        key = VerificationKey(key_id, algorithm, _import(members))
        return key if _is_strong(key) else None
    except (JoseError, ValueError, TypeError, KeyError):
        return None


def _import(members: dict[str, Any]) -> Key:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SecurityWarning)  # weak keys are refused, not warned of
        return import_key(members)


def _algorithm(entry: dict[str, Any], allowed: Collection[str]) -> str | None:
    """The one algorithm of a key; None where it names none and several would do."""
    fitting = [name for name in allowed if _KINDS[name] == (entry.get("kty"), entry.get("crv"))]
    if (named := entry.get("alg")) is not None:
        fitting = [name for name in fitting if name == canonical_algorithm(_text(named))]
    return fitting[0] if len(fitting) == 1 else None


def _may_verify(entry: dict[str, Any]) -> bool:
    operations = entry.get("key_ops", ["verify"])
    return entry.get("use", "sig") == "sig" and isinstance(operations, list) and "verify" in operations


def _is_key_id(value: object) -> bool:
    return value is None or (isinstance(value, str) and 0 < len(value) <= _MAX_KEY_ID)


def _is_strong(candidate: VerificationKey) -> bool:
    """Whether a key is as strong as its algorithm demands (RFC 7518, sections 3.2, 3.3 and 3.5)."""
    if is_symmetric(candidate.algorithm):
        return len(candidate.key.raw_value) >= int(candidate.algorithm[2:]) // 8  # type: ignore[arg-type]  # bytes
    public = candidate.key.public_key
    return not isinstance(public, RSAPublicKey) or _is_strong_rsa(public)


def _is_strong_rsa(key: RSAPublicKey) -> bool:
    numbers = key.public_numbers()
    has_good_exponent = numbers.e % 2 == 1 and _MIN_EXPONENT <= numbers.e < _MAX_EXPONENT
    return has_good_exponent and _MIN_RSA_BITS <= key.key_size <= _MAX_RSA_BITS and not _is_roca(numbers.n)


_SMALL_PRIMES = (3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97)
_MORE_PRIMES = (101, 103, 107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167)
_POWERS = {prime: {pow(65537, n, prime) for n in range(prime)} for prime in _SMALL_PRIMES + _MORE_PRIMES}


def _is_roca(modulus: int) -> bool:
    """Whether the key was made by the library of CVE-2017-15361: its primes are powers of 65537 by all small primes."""
    return all(modulus % prime in powers for prime, powers in _POWERS.items())


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
