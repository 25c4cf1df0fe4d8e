"""Which keys of a provider's key set are used, and for what."""

import base64
from typing import Any

import pytest
from joserfc.jwk import OKPKey, RSAKey
from small_provider import EC, ED, RSA

from nexus_gateway.oidc.keys import ALGORITHMS, read_keys, secret_key

R, E, D = (key.as_dict(private=False) for key in (RSA, EC, ED))
WITHOUT_ALGORITHM = {name: value for name, value in R.items() if name != "alg"}


def found(*entries: object, allowed: frozenset[str] = ALGORITHMS) -> list[tuple[str | None, str]]:
    """Id and algorithm of each key that is used."""
    return [(key.key_id, key.algorithm) for key in read_keys({"keys": list(entries)}, allowed)]


def test_each_key_has_one_algorithm() -> None:
    assert found(R, E, D) == [("rsa", "RS256"), ("ec", "ES256"), ("ed", "Ed25519")]


def test_a_key_without_an_algorithm_has_the_one_that_is_allowed() -> None:
    assert found(WITHOUT_ALGORITHM, allowed=frozenset({"PS256"})) == [("rsa", "PS256")]
    assert found(WITHOUT_ALGORITHM, allowed=frozenset({"RS256", "PS256"})) == []


SECRET = base64.urlsafe_b64encode(b"x" * 32).rstrip(b"=").decode()


@pytest.mark.parametrize(
    "entry",
    [
        None,
        [],
        {},
        {**R, "kty": "EC"},
        {**R, "alg": "RS25"},
        {**R, "alg": "ES256"},
        {**R, "alg": ["RS256"]},
        {**R, "use": "enc"},
        {**R, "key_ops": ["encrypt"]},
        {**R, "key_ops": "verify"},
        {**R, "kid": 1},
        {**R, "kid": ""},
        {**R, "kid": "x" * 257},
        {**R, "n": R["n"] + "="},
        {**R, "n": R["n"][:100]},
        {**R, "n": 1},
        {**R, "e": "Aw"},
        {**R, "e": "AQAC"},
        {**E, "x": E["y"]},
        {**E, "crv": "P-384"},
        {**D, "x": D["x"][:-1]},
        {**D, "crv": "X25519"},
        {name: value for name, value in R.items() if name != "n"},
    ],
)
def test_a_key_that_is_not_right_is_skipped(entry: object) -> None:
    assert found(entry, {**E, "kid": "good"}) == [("good", "ES256")]


def test_a_short_rsa_key_is_skipped() -> None:
    with pytest.warns(match="Key size should be"):
        key = RSAKey.generate_key(1024, {"kid": "short"})

    assert found({**key.as_dict(private=False), "alg": "RS256"}) == []


def test_ed448_is_not_ed25519() -> None:
    key = OKPKey.generate_key("Ed448", {"kid": "ed448"})

    assert found({**key.as_dict(private=False), "alg": "EdDSA"}) == []


def test_an_id_that_is_there_twice_names_no_key() -> None:
    assert found(R, {**E, "kid": "rsa"}, D) == [("ed", "Ed25519")]


def test_keys_for_encryption_take_no_ids_away() -> None:
    assert found(R, {**E, "kid": "rsa", "use": "enc"}) == [("rsa", "RS256")]


@pytest.mark.parametrize(
    ("jwks", "reason"),
    [
        (None, "it is not a JWK Set: there is no list `keys` of at most 100 keys"),
        ([R], "it is not a JWK Set: there is no list `keys` of at most 100 keys"),
        ({"keys": None}, "it is not a JWK Set: there is no list `keys` of at most 100 keys"),
        ({"keys": [R] * 101}, "it is not a JWK Set: there is no list `keys` of at most 100 keys"),
        ({"keys": [R, {"kty": "oct", "k": SECRET}]}, "it mixes secrets with public keys"),
        ({"keys": [RSA.as_dict(private=True)]}, "it holds a private key"),
        ({"keys": [{**R, "use": "enc", "d": "AQAB"}]}, "it holds a private key"),
    ],
)
def test_a_key_set_that_is_not_right_is_refused(jwks: Any, reason: str) -> None:  # noqa: ANN401  any JSON value
    with pytest.raises(ValueError, match=reason):
        read_keys(jwks, ALGORITHMS)


@pytest.mark.parametrize(("secret", "count"), [("abc", 0), ("x" * 31, 0), ("x" * 32, 1), ("ü" * 16, 1)])
def test_a_secret_is_as_long_as_its_hash(secret: str, count: int) -> None:
    assert len(secret_key(secret, ["HS256"])) == count
