import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest
from joserfc import jws, jwt
from joserfc.jwk import OctKey, OKPKey

from nexus_chassis import tokens
from nexus_chassis.problems import Problem
from nexus_chassis.tokens import InvalidTokenError, Principal, TokenVerifier
from nexus_testkit import Issuer

AUDIENCE = "dataflow-service"


@pytest.fixture
def verifier(issuer: Issuer) -> TokenVerifier:
    return TokenVerifier(issuer.url, AUDIENCE, issuer.jwks_url)


async def refusal(verifier: TokenVerifier, token: str) -> str:
    with pytest.raises(InvalidTokenError) as refused:
        await verifier.verify(token)
    return str(refused.value)


async def test_a_good_token_gives_its_principal(verifier: TokenVerifier, issuer: Issuer) -> None:
    token = issuer.mint(AUDIENCE, ["data:write", "data:read"], exp=4102444800, jti="1", sid="s")

    assert await verifier.verify(token) == Principal(
        "alice", "tests", frozenset({"data:read", "data:write"}), token, 4102444800, "1", "s"
    )


async def test_one_audience_of_several_is_enough(verifier: TokenVerifier, issuer: Issuer) -> None:
    assert (await verifier.verify(issuer.mint("", aud=["other", AUDIENCE]))).subject == "alice"


CLAIMS: list[tuple[dict[str, Any], str]] = [
    ({"iss": "http://evil"}, "its issuer is 'http://evil', not 'ISSUER'"),
    ({"aud": "mcp-server"}, "its audience is 'mcp-server', not 'dataflow-service'"),
    ({"aud": []}, "its claims aud are missing or of the wrong kind"),
    ({"exp": 1}, "it has expired"),
    ({"exp": None, "iat": None}, "its claims exp, iat are missing or of the wrong kind"),
    ({"exp": 1e20}, "its claims exp are missing or of the wrong kind"),
    ({"exp": True}, "its claims exp are missing or of the wrong kind"),
    ({"iat": 4102444800, "exp": 4102444801}, "it is not valid yet"),
    ({"nbf": 4102444800}, "it is not valid yet"),
    ({"sub": None, "jti": 7}, "its claims sub, jti are missing or of the wrong kind"),
    ({"scope": ["admin"]}, "its claims scope are missing or of the wrong kind"),
]


@pytest.mark.parametrize(("claims", "reason"), CLAIMS)
async def test_wrong_claims_are_refused(
    verifier: TokenVerifier, issuer: Issuer, claims: dict[str, Any], reason: str
) -> None:
    assert await refusal(verifier, issuer.mint(AUDIENCE, **claims)) == reason.replace("ISSUER", issuer.url)


HEADERS: list[tuple[dict[str, Any], str]] = [
    ({"typ": "JWT"}, "its type is 'JWT', not 'at+jwt'"),
    ({"typ": None}, "its type is None, not 'at+jwt'"),
    ({"kid": "other"}, "it is signed with a key that the issuer does not publish"),
    ({"kid": None}, "it names no key (kid)"),
]


@pytest.mark.parametrize(("header", "reason"), HEADERS)
async def test_wrong_headers_are_refused(
    verifier: TokenVerifier, issuer: Issuer, header: dict[str, Any], reason: str
) -> None:
    protected = {"alg": "Ed25519", "typ": "at+jwt", "kid": issuer.key.kid} | header
    kept = {name: value for name, value in protected.items() if value is not None}
    token = jws.serialize_compact(kept, b"{}", issuer.key, algorithms=["Ed25519"])

    assert await refusal(verifier, token) == reason


FORGERIES: list[tuple[Callable[[Issuer, str], str], str]] = [
    (lambda _, __: "garbage", "it is not a signed JWT in compact form"),
    (lambda _, token: token[: token.rindex(".") + 1], "it is not a signed JWT in compact form"),
    (lambda _, token: token + "==", "it is not a signed JWT in compact form"),
    (lambda _, token: f" {token}", "it is not a signed JWT in compact form"),
    (
        lambda _, token: token.rsplit(".", 1)[0] + "." + "A" * 86,
        "its signature or form is not valid (BadSignatureError)",
    ),
    (lambda issuer, _: forged_by_other_key(issuer), "its signature or form is not valid (BadSignatureError)"),
    (lambda issuer, _: forged_by_public_key(issuer), "it is not a signed JWT in compact form"),
    (lambda issuer, _: not_an_object(issuer), "its signature or form is not valid (InvalidPayloadError)"),
]


def forged_by_other_key(issuer: Issuer) -> str:
    other = OKPKey.generate_key("Ed25519", {"kid": str(issuer.key.kid)})
    header = {"alg": "Ed25519", "typ": "at+jwt", "kid": issuer.key.kid}
    return jwt.encode(header, {"iss": issuer.url}, other, algorithms=["Ed25519"])


def forged_by_public_key(issuer: Issuer) -> str:
    shared = OctKey.import_key(issuer.key.as_pem(private=False).ljust(64, b"\0").hex())
    return jwt.encode({"alg": "HS256", "typ": "at+jwt", "kid": issuer.key.kid}, {"iss": issuer.url}, shared)


def not_an_object(issuer: Issuer) -> str:
    header = {"alg": "Ed25519", "typ": "at+jwt", "kid": issuer.key.kid}
    return jws.serialize_compact(header, b"[1]", issuer.key, algorithms=["Ed25519"])


@pytest.mark.parametrize(("forge", "reason"), FORGERIES)
async def test_forgeries_are_refused(
    verifier: TokenVerifier, issuer: Issuer, forge: Callable[[Issuer, str], str], reason: str
) -> None:
    assert await refusal(verifier, forge(issuer, issuer.mint(AUDIENCE))) == reason


async def test_a_verified_token_expires_all_the_same(verifier: TokenVerifier, issuer: Issuer) -> None:
    token = issuer.mint(AUDIENCE, exp=int(time.time()) + 1)
    await verifier.verify(token)
    await asyncio.sleep(1.1)

    assert await refusal(verifier, token) == "it has expired"


async def accepted(verifier: TokenVerifier, token: str) -> bool:
    try:
        await verifier.verify(token)
    except InvalidTokenError:
        return False
    return True


async def test_a_new_key_is_fetched_when_a_token_names_it(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "KEYS_RETRY_SECONDS", 0)
    other = Issuer(issuer.url)
    published = [issuer.jwks, {"keys": [*issuer.jwks["keys"], *other.jwks["keys"]]}]

    async def fetch(_: str) -> dict[str, Any]:
        return published.pop(0)

    verifier = TokenVerifier(issuer.url, AUDIENCE, "", fetch=fetch)
    await verifier.verify(issuer.mint(AUDIENCE))

    assert (await verifier.verify(other.mint(AUDIENCE))).subject == "alice"


async def test_unknown_keys_do_not_make_a_fetch_each(issuer: Issuer) -> None:
    fetches = []

    async def fetch(url: str) -> dict[str, Any]:
        fetches.append(url)
        return issuer.jwks

    verifier = TokenVerifier(issuer.url, AUDIENCE, "x", fetch=fetch)
    for _ in range(20):
        assert not await accepted(verifier, Issuer(issuer.url).mint(AUDIENCE))

    assert fetches == ["x"]


async def test_without_keys_nothing_is_judged(issuer: Issuer, unused_tcp_port: int) -> None:
    verifier = TokenVerifier(issuer.url, AUDIENCE, f"http://127.0.0.1:{unused_tcp_port}/jwks")

    with pytest.raises(Problem) as problem:
        await verifier.verify(issuer.mint(AUDIENCE))

    assert problem.value.body() == {
        "type": "urn:nexus:problem:token-keys-unavailable",
        "title": "Access tokens cannot be verified now",
        "status": 503,
        "detail": "The keys of the token issuer could not be fetched. Try again in a few seconds.",
    }
