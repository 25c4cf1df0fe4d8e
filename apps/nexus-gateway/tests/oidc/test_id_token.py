"""ID tokens that are refused, each with its reason."""

import base64
import json
from typing import Any

import pytest
from joserfc import jws
from joserfc.jwk import OctKey
from small_provider import EC, ED, OTHER_RSA, RSA, WITHOUT, sign

from nexus_gateway.oidc.errors import InvalidIdTokenError
from nexus_gateway.oidc.id_token import Expected, check_claims
from nexus_gateway.oidc.keys import VerificationKey, read_keys, secret_key
from nexus_gateway.oidc.signatures import read_token

NOW = 1_800_000_000
EXPECTED = Expected("https://id.example", "nexus", "a nonce", "access-token")
CLAIMS: dict[str, Any] = {
    "iss": "https://id.example",
    "sub": "s-1",
    "aud": "nexus",
    "iat": NOW,
    "exp": NOW + 300,
    "nonce": "a nonce",
}
KEYS = read_keys({"keys": [key.as_dict(private=False) for key in (RSA, EC, ED)]}, ["RS256", "ES256", "EdDSA"])
SECRET = "0123456789abcdef0123456789abcdef"


def verdict(token: str, keys: list[VerificationKey] | None = None, expected: Expected = EXPECTED) -> str:
    """`accepted`, or the reason of the refusal."""
    try:
        unverified = read_token(token)
        check_claims(unverified, unverified.verify(KEYS if keys is None else keys), expected, NOW)
    except InvalidIdTokenError as error:
        return str(error)
    return "accepted"


def claims(**changed: object) -> dict[str, Any]:
    return {name: value for name, value in {**CLAIMS, **changed}.items() if value is not WITHOUT}


NOT_A_NUMBER = "its {} is missing or not a number"
AUTHORIZED = "it was issued to another client (azp)"
SUBJECT = "its subject is not a text of 1 to 255 ASCII characters"
AUDIENCE = "it is for another audience"
NONCE = "its nonce is not that of this login"
ISSUED = "it was not issued during this login (iat)"


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({}, "accepted"),
        ({"iss": "https://id.example/"}, "its issuer is 'https://id.example/', not 'https://id.example'"),
        ({"iss": WITHOUT}, "its issuer is None, not 'https://id.example'"),
        ({"sub": WITHOUT}, SUBJECT),
        ({"sub": ""}, SUBJECT),
        ({"sub": 1}, SUBJECT),
        ({"sub": "x" * 256}, SUBJECT),
        ({"sub": "s\n1"}, SUBJECT),
        ({"aud": "another"}, AUDIENCE),
        ({"aud": WITHOUT}, AUDIENCE),
        ({"aud": []}, AUDIENCE),
        ({"aud": ["nexus"]}, "accepted"),
        ({"aud": ["nexus", "another"]}, "it is for several audiences and does not say who it was issued to (azp)"),
        ({"aud": ["nexus", "another"], "azp": "nexus"}, "accepted"),
        ({"aud": ["nexus", "another"], "azp": "another"}, AUTHORIZED),
        ({"azp": "another"}, AUTHORIZED),
        ({"azp": None}, AUTHORIZED),
        ({"exp": WITHOUT}, NOT_A_NUMBER.format("exp")),
        ({"exp": str(NOW + 300)}, NOT_A_NUMBER.format("exp")),
        ({"exp": True}, NOT_A_NUMBER.format("exp")),
        ({"exp": NOW - 59}, "accepted"),
        ({"exp": NOW - 60}, "it has expired"),
        ({"exp": NOW + 299.5}, "accepted"),
        ({"iat": WITHOUT}, NOT_A_NUMBER.format("iat")),
        ({"iat": NOW + 60}, "accepted"),
        ({"iat": NOW + 61}, ISSUED),
        ({"iat": NOW - 660}, "accepted"),
        ({"iat": NOW - 661}, ISSUED),
        ({"nbf": NOW + 61}, "its nbf is in the future"),
        ({"nbf": "x"}, NOT_A_NUMBER.format("nbf")),
        ({"auth_time": NOW - 100_000}, "accepted"),
        ({"auth_time": NOW + 61}, "its auth_time is in the future"),
        ({"auth_time": "x"}, NOT_A_NUMBER.format("auth_time")),
        ({"nonce": WITHOUT}, NONCE),
        ({"nonce": "another"}, NONCE),
        ({"nonce": ["a nonce"]}, NONCE),
        ({"at_hash": "P3tm1V0qnRQ0pVHHjCiIXA"}, "it came with another access token (at_hash)"),
        ({"at_hash": None}, "it came with another access token (at_hash)"),
    ],
)
def test_claims_are_what_this_login_demands(changed: dict[str, Any], reason: str) -> None:
    assert verdict(sign(claims(**changed))) == reason


def test_the_example_of_the_specification_has_the_right_hash() -> None:
    # OpenID Connect Core 1.0, appendix A.3
    expected = Expected("https://id.example", "nexus", "a nonce", "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y")

    assert verdict(sign(claims(at_hash="77QmUPtjPfzWtF2AnpK9RQ")), expected=expected) == "accepted"


NO_KEY = "no key of the provider fits its algorithm {!r} and key id"
CRITICAL = "its header has critical extensions"


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ({"typ": "JWT"}, "accepted"),
        ({"typ": "jwt"}, "accepted"),
        ({"typ": "at+jwt"}, "its type is 'at+jwt', not 'JWT'"),
        ({"typ": "logout+jwt"}, "its type is 'logout+jwt', not 'JWT'"),
        ({"kid": WITHOUT}, "accepted"),
        ({"kid": "unknown"}, NO_KEY.format("RS256")),
        ({"kid": "ec"}, NO_KEY.format("RS256")),
        ({"alg": "RS512"}, NO_KEY.format("RS512")),
        ({"alg": "PS256"}, NO_KEY.format("PS256")),
        ({"jwk": OTHER_RSA.as_dict(private=False)}, "accepted"),  # signed by the known key: it is never looked at
        ({"jku": "https://evil.example/keys"}, "accepted"),
    ],
)
def test_headers_are_those_of_an_id_token(header: dict[str, object], reason: str) -> None:
    assert verdict(sign(CLAIMS, RSA, **header)) == reason


def with_header(text: str) -> str:
    """A token with that header, and the signature of another one."""
    _, payload, signature = sign(CLAIMS).split(".")
    return ".".join([base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode(), payload, signature])


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ('{"alg":"RS256","kid":"rsa","crit":[]}', CRITICAL),
        ('{"alg":"RS256","kid":"rsa","crit":["exp"],"exp":1}', CRITICAL),
        ('{"alg":"RS256","kid":"rsa","b64":false}', CRITICAL),
        ('{"alg":"none"}', NO_KEY.format("none")),
        ('{"alg":"HS256","kid":"rsa"}', NO_KEY.format("HS256")),
        ('{"kid":"rsa"}', "it names no algorithm"),
        ('{"alg":["RS256"],"kid":"rsa"}', "it names no algorithm"),
        ('{"alg":"RS256","kid":1}', "its key id is not a text"),
        ('{"alg":"RS256","typ":["JWT"]}', "its type is ['JWT'], not 'JWT'"),
        ('{"alg":"none","alg":"RS256"}', "its header is not valid JSON: the name 'alg' is given twice in one object"),
        ("[]", "its header is not a JSON object"),
        ('{"alg":"RS256","kid":"rsa"} ', "its signature is not valid"),
    ],
)
def test_a_header_that_could_be_read_otherwise_is_refused(header: str, reason: str) -> None:
    assert verdict(with_header(header)) == reason


@pytest.mark.parametrize("token", ["", "a", "a.b", "a.b.c.d", "....", "a.b.", "é.é.é", "a b.c.d"])
def test_whatever_is_no_token_is_refused(token: str) -> None:
    assert verdict(token).startswith(("it is not a signed JWT in compact form", "a part of it is not base64url"))


def test_a_token_that_is_too_long_is_refused_before_it_is_read() -> None:
    assert verdict("a" * 33_000) == "it is longer than 32768 characters"


def test_a_payload_that_could_be_read_otherwise_is_refused() -> None:
    token = jws.serialize_compact({"alg": "RS256", "kid": "rsa"}, b'{"sub":"a","sub":"b"}', RSA)

    assert verdict(token) == "its payload is not valid JSON: the name 'sub' is given twice in one object"


def test_each_kind_of_key_verifies() -> None:
    tokens = [sign(CLAIMS, EC, alg="ES256"), sign(CLAIMS, ED, alg="Ed25519")]

    assert [verdict(token) for token in tokens] == ["accepted"] * 2


@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")
def test_ed25519_has_two_names() -> None:
    assert verdict(sign(CLAIMS, ED, alg="EdDSA")) == "accepted"


def test_a_key_signs_by_its_own_algorithm_alone() -> None:
    assert verdict(sign(CLAIMS, RSA, kid="ed")) == NO_KEY.format("RS256")


def test_a_client_secret_is_a_key_where_the_algorithm_says_so() -> None:
    key = OctKey.import_key(SECRET)
    token = sign(CLAIMS, key, alg="HS256", kid=WITHOUT)

    assert verdict(token, secret_key(SECRET, ["HS256"])) == "accepted"
    assert verdict(token, secret_key(SECRET[::-1], ["HS256"])) == "its signature is not valid"
    assert verdict(token) == NO_KEY.format("HS256")


def test_a_public_key_is_no_secret() -> None:
    """Algorithm confusion: the provider's public key as an HMAC secret."""
    token = sign(CLAIMS, OctKey.import_key(json.dumps(EC.as_dict(private=False))), alg="HS256", kid="ec")

    assert verdict(token) == NO_KEY.format("HS256")


def test_two_keys_that_fit_are_no_key() -> None:
    keys = read_keys(
        {"keys": [RSA.as_dict(private=False), {**OTHER_RSA.as_dict(private=False), "kid": "b"}]}, ["RS256"]
    )

    assert verdict(sign(CLAIMS, kid=WITHOUT), keys) == "2 keys of the provider fits its algorithm 'RS256' and key id"
