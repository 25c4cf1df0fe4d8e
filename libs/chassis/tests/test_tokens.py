import asyncio
import base64
import json
import time
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest
from joserfc import jwt
from joserfc.jwk import OctKey, OKPKey

from nexus_chassis import issuer_keys
from nexus_chassis.problems import Problem
from nexus_chassis.revocations import RevocationPage, Revocations, revocation_hash
from nexus_chassis.tokens import (
    InvalidTokenError,
    Principal,
    TokenVerifier,
    forbidden,
    quote_header_value,
    validate_scope_token,
)
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


async def test_a_token_names_its_actors_tenant_and_session_epoch(verifier: TokenVerifier, issuer: Issuer) -> None:
    act = {"sub": "mcp-server", "act": {"sub": "agent"}}
    principal = await verifier.verify(issuer.mint(AUDIENCE, act=act, tenant="acme", session_epoch=3))

    assert (principal.actor, principal.tenant, principal.session_epoch) == (("mcp-server", "agent"), "acme", 3)


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
    ({"scope": "a  b"}, "its claims scope are missing or of the wrong kind"),
    ({"scope": "a\nb"}, "its claims scope are missing or of the wrong kind"),
    ({"scope": 'a", realm="x'}, "its claims scope are missing or of the wrong kind"),
    ({"act": "mcp-server"}, "its claims act are missing or of the wrong kind"),
    ({"act": {"sub": "mcp-server", "act": {}}}, "its claims act are missing or of the wrong kind"),
    ({"tenant": 1, "session_epoch": "1"}, "its claims tenant, session_epoch are missing or of the wrong kind"),
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
    ({"kid": ""}, "it names no key (kid)"),
    ({"kid": ["a"]}, "it names no key (kid)"),
    ({"crit": []}, "its header has critical extensions (crit)"),
    ({"crit": ["exp"], "exp": 1}, "its header has critical extensions (crit)"),
    ({"alg": "none"}, "its algorithm is 'none', not 'Ed25519'"),
    ({"alg": "EdDSA"}, "its algorithm is 'EdDSA', not 'Ed25519'"),
    ({"alg": ["Ed25519"]}, "its algorithm is ['Ed25519'], not 'Ed25519'"),
]


@pytest.mark.parametrize(("header", "reason"), HEADERS)
async def test_wrong_headers_are_refused(
    verifier: TokenVerifier, issuer: Issuer, header: dict[str, Any], reason: str
) -> None:
    protected = {"alg": "Ed25519", "typ": "at+jwt", "kid": issuer.key.kid} | header
    kept = {name: value for name, value in protected.items() if value is not None}

    assert await refusal(verifier, signed(issuer, json.dumps(kept).encode(), b"{}")) == reason


def signed(issuer: Issuer, header: bytes, payload: bytes) -> str:
    """A token of these very bytes, with a valid signature."""
    text = f"{encoded(header)}.{encoded(payload)}"
    return f"{text}.{encoded(issuer.key.private_key.sign(text.encode()))}"


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def payload_of(issuer: Issuer) -> bytes:
    return base64.urlsafe_b64decode(issuer.mint(AUDIENCE).split(".")[1] + "==")


DISPUTED: list[tuple[Callable[[bytes], bytes], Callable[[bytes], bytes], str]] = [
    (
        lambda header: header[:-1] + b', "kid": "x"}',
        lambda it: it,
        "its header is not valid JSON: the name 'kid' is given twice in one object",
    ),
    (
        lambda it: it,
        lambda payload: payload[:-1] + b', "sub": "bob"}',
        "its payload is not valid JSON: the name '",
    ),
    (
        lambda it: it,
        lambda payload: payload[:-1] + b', "x": {"a": 1, "a": 2}}',
        "its payload is not valid JSON: the name '",
    ),
    (lambda it: it, lambda payload: b"\xef\xbb\xbf" + payload, "its payload is not valid JSON: "),
    (lambda it: it, lambda payload: payload.decode().encode("utf-16"), "its payload is not valid JSON: "),
    (lambda it: it, lambda payload: payload[:-1] + b', "x": "\xe9"}', "its payload is not valid JSON: "),
    (lambda it: it, lambda payload: payload[:-1] + b', "x": "\\ud800"}', "its payload is not valid JSON: "),
    (
        lambda it: it,
        lambda payload: payload[:-1] + b', "x": NaN}',
        "its payload is not valid JSON: NaN is not JSON",
    ),
    (lambda it: it, lambda payload: payload[:-1] + b', "x": ' + b"[" * 5000 + b"}", "its payload is not valid JSON: "),
    (lambda it: it, lambda _: b"[1]", "its payload is not a JSON object"),
    (lambda it: it, lambda payload: payload + b" " * 8192, "it is longer than 8192 bytes"),
]


@pytest.mark.parametrize(("header", "payload", "reason"), DISPUTED)
async def test_what_readers_differ_on_is_refused(
    verifier: TokenVerifier,
    issuer: Issuer,
    header: Callable[[bytes], bytes],
    payload: Callable[[bytes], bytes],
    reason: str,
) -> None:
    protected = json.dumps({"alg": "Ed25519", "typ": "at+jwt", "kid": issuer.key.kid}).encode()
    token = signed(issuer, header(protected), payload(payload_of(issuer)))

    assert (await refusal(verifier, token)).startswith(reason)


@pytest.mark.parametrize("part", [0, 1])
async def test_base64url_with_stray_bits_is_refused(verifier: TokenVerifier, issuer: Issuer, part: int) -> None:
    header = {"alg": "Ed25519", "typ": "at+jwt", "kid": issuer.key.kid, "x": ""}
    while len(json.dumps(header)) % 3 == 0:
        header["x"] += "x"
    payload = payload_of(issuer)
    parts = [encoded(json.dumps(header).encode()), encoded(payload + b" " * (len(payload) % 3 == 0))]
    parts[part] = parts[part][:-1] + chr(ord(parts[part][-1]) + 1)  # the same bytes for a lenient reader
    text = ".".join(parts)
    token = f"{text}.{encoded(issuer.key.private_key.sign(text.encode()))}"

    assert await refusal(verifier, token) == f"its {('header', 'payload')[part]} is not base64url"


async def test_the_bytes_of_these_tests_are_accepted_otherwise(verifier: TokenVerifier, issuer: Issuer) -> None:
    protected = json.dumps({"alg": "Ed25519", "typ": "at+jwt", "kid": issuer.key.kid}).encode()

    assert (await verifier.verify(signed(issuer, protected, payload_of(issuer)))).subject == "alice"


FORGERIES: list[tuple[Callable[[Issuer, str], str], str]] = [
    (lambda _, __: "garbage", "it is not a signed JWT in compact form"),
    (lambda _, token: token[: token.rindex(".") + 1], "it is not a signed JWT in compact form"),
    (lambda _, token: token + "==", "it is not a signed JWT in compact form"),
    (lambda _, token: f" {token}", "it is not a signed JWT in compact form"),
    (
        lambda _, token: token.rsplit(".", 1)[0] + "." + "A" * 86,
        "its signature is not valid",
    ),
    (lambda _, token: token[:-1] + chr(ord(token[-1]) + 1), "its signature is not base64url"),
    (lambda issuer, _: forged_by_other_key(issuer), "its signature is not valid"),
    (lambda issuer, _: forged_by_public_key(issuer), "it is not a signed JWT in compact form"),
]


def forged_by_other_key(issuer: Issuer) -> str:
    other = OKPKey.generate_key("Ed25519", {"kid": str(issuer.key.kid)})
    header = {"alg": "Ed25519", "typ": "at+jwt", "kid": issuer.key.kid}
    return jwt.encode(header, {"iss": issuer.url}, other, algorithms=["Ed25519"])


def forged_by_public_key(issuer: Issuer) -> str:
    shared = OctKey.import_key(issuer.key.as_pem(private=False).ljust(64, b"\0").hex())
    return jwt.encode({"alg": "HS256", "typ": "at+jwt", "kid": issuer.key.kid}, {"iss": issuer.url}, shared)


@pytest.mark.parametrize(("forge", "reason"), FORGERIES)
async def test_forgeries_are_refused(
    verifier: TokenVerifier, issuer: Issuer, forge: Callable[[Issuer, str], str], reason: str
) -> None:
    assert await refusal(verifier, forge(issuer, issuer.mint(AUDIENCE))) == reason


@pytest.mark.parametrize("claim", ["iat", "nbf"])
async def test_a_clock_may_be_five_seconds_behind_the_issuers(
    verifier: TokenVerifier, issuer: Issuer, monkeypatch: pytest.MonkeyPatch, claim: str
) -> None:
    now = int(time.time())
    monkeypatch.setattr("nexus_chassis.claims.time.time", lambda: now + 0.5)

    assert await accepted(verifier, issuer.mint(AUDIENCE, **{claim: now + 5}))
    assert await refusal(verifier, issuer.mint(AUDIENCE, **{claim: now + 6})) == "it is not valid yet"


async def test_the_end_of_a_token_has_no_tolerance(
    verifier: TokenVerifier, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = int(time.time())
    token, ended = issuer.mint(AUDIENCE, exp=now + 1), issuer.mint(AUDIENCE, exp=now)
    monkeypatch.setattr("nexus_chassis.claims.time.time", lambda: float(now))

    assert await accepted(verifier, token)
    assert await refusal(verifier, ended) == "it has expired"


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
    monkeypatch.setattr(issuer_keys, "KEYS_RETRY_SECONDS", 0)
    other = Issuer(issuer.url)
    published = [issuer.jwks, {"keys": [*issuer.jwks["keys"], *other.jwks["keys"]]}]

    async def fetch(_: str) -> dict[str, Any]:
        return published.pop(0)

    verifier = TokenVerifier(issuer.url, AUDIENCE, "", fetch=fetch)
    await verifier.verify(issuer.mint(AUDIENCE))

    assert (await verifier.verify(other.mint(AUDIENCE))).subject == "alice"


async def test_a_withdrawn_key_ends_tokens_that_were_verified_with_it(
    issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    published = [issuer.jwks, Issuer(issuer.url).jwks]

    async def fetch(_: str) -> dict[str, Any]:
        return published.pop(0)

    verifier = TokenVerifier(issuer.url, AUDIENCE, "", fetch=fetch)
    token = issuer.mint(AUDIENCE)
    await verifier.verify(token)
    monkeypatch.setattr(issuer_keys, "KEYS_FRESH_SECONDS", 0)
    monkeypatch.setattr(issuer_keys, "KEYS_RETRY_SECONDS", 0)

    assert await refusal(verifier, token) == "it is signed with a key that the issuer does not publish"


def with_key(issuer: Issuer, **changes: object) -> dict[str, Any]:
    (key,) = issuer.jwks["keys"]
    return {"keys": [{name: value for name, value in {**key, **changes}.items() if value is not None}]}


ODD_ENTRIES: list[Any] = [None, 1, "key", [], {}, {"kid": 1}, {"kty": "RSA", "kid": "a"}, {"kty": "OKP", "x": 1}]


async def test_entries_of_a_key_set_that_are_no_keys_are_skipped(issuer: Issuer) -> None:
    async def fetch(_: str) -> dict[str, Any]:
        return {"keys": [*ODD_ENTRIES, *issuer.jwks["keys"]]}

    verifier = TokenVerifier(issuer.url, AUDIENCE, "", fetch=fetch)

    assert (await verifier.verify(issuer.mint(AUDIENCE))).subject == "alice"


UNUSABLE: list[dict[str, Any]] = [
    {"kty": "EC"},
    {"crv": "X25519"},
    {"alg": "EdDSA"},
    {"use": "enc"},
    {"key_ops": ["sign"]},
    {"key_ops": "verify"},
    {"x": None},
    {"x": "AA"},
    {"x": "A" * 42 + "B"},
    {"d": "A" * 43},
    {"kid": None},
]


@pytest.mark.parametrize("changes", UNUSABLE)
async def test_a_key_for_something_else_verifies_nothing(issuer: Issuer, changes: dict[str, Any]) -> None:
    async def fetch(_: str) -> dict[str, Any]:
        return with_key(issuer, **changes)

    verifier = TokenVerifier(issuer.url, AUDIENCE, "", fetch=fetch)

    assert await refusal(verifier, issuer.mint(AUDIENCE)) == (
        "it is signed with a key that the issuer does not publish"
    )


async def test_a_key_id_that_is_there_twice_names_no_key(issuer: Issuer) -> None:
    async def fetch(_: str) -> dict[str, Any]:
        return {"keys": [*issuer.jwks["keys"], *with_key(Issuer(issuer.url), kid=issuer.key.kid)["keys"]]}

    verifier = TokenVerifier(issuer.url, AUDIENCE, "", fetch=fetch)

    assert not await accepted(verifier, issuer.mint(AUDIENCE))


@pytest.mark.parametrize("jwks", [{"keys": None}, {"keys": {}}, {}, [1], None, "keys", 1])
async def test_what_is_no_key_set_leaves_the_known_keys(
    issuer: Issuer, jwks: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(issuer_keys, "KEYS_FRESH_SECONDS", 0)
    monkeypatch.setattr(issuer_keys, "KEYS_RETRY_SECONDS", 0)
    published = [issuer.jwks, jwks]

    async def fetch(_: str) -> object:
        return published.pop(0)

    verifier = TokenVerifier(issuer.url, AUDIENCE, "", fetch=fetch)
    await verifier.verify(issuer.mint(AUDIENCE))

    assert (await verifier.verify(issuer.mint(AUDIENCE))).subject == "alice"
    assert published == []


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


async def test_the_token_of_an_ended_session_is_refused_though_it_was_verified(issuer: Issuer) -> None:
    revocations = Revocations()
    verifier = TokenVerifier(issuer.url, AUDIENCE, issuer.jwks_url, revocations=revocations)
    first, second = [await verifier.verify(issuer.mint(AUDIENCE, sid=sid)) for sid in ("first", "second")]
    revocations.add(RevocationPage("1-0", [revocation_hash("first")]))

    assert await refusal(verifier, first.token) == "its session was ended"
    assert await verifier.verify(second.token) == second


async def test_the_tokens_of_a_withdrawn_key_end_at_once_and_the_other_keys_are_fetched_anew(issuer: Issuer) -> None:
    other = Issuer(issuer.url)
    published = [issuer.jwks, other.jwks]

    async def fetch(_: str) -> dict[str, Any]:
        return published.pop(0)

    revocations = Revocations()
    verifier = TokenVerifier(issuer.url, AUDIENCE, "", fetch=fetch, revocations=revocations)
    token = issuer.mint(AUDIENCE)
    await verifier.verify(token)
    revocations.add(RevocationPage("1-0", keys=[str(issuer.key.kid)]))

    assert (await verifier.verify(other.mint(AUDIENCE))).subject == "alice"
    assert await refusal(verifier, token) == "it is signed with a key that the issuer does not publish"


async def test_a_withdrawn_key_that_the_issuer_still_publishes_is_refused(issuer: Issuer) -> None:
    revocations = Revocations()
    verifier = TokenVerifier(issuer.url, AUDIENCE, issuer.jwks_url, revocations=revocations)
    revocations.add(RevocationPage("1-0", keys=[str(issuer.key.kid)]))

    assert await refusal(verifier, issuer.mint(AUDIENCE)) == "its key was withdrawn"


async def test_a_request_with_two_authorization_headers_is_refused(
    service: str, issuer: Issuer, http: aiohttp.ClientSession
) -> None:
    value = f"Bearer {issuer.mint('example', ['data:read'])}"
    headers = [("Authorization", value), ("Authorization", value)]
    async with http.get(f"{service}/whoami", headers=headers) as response:
        assert response.status == 401
        assert (await response.json())["detail"] == (
            "The access token is refused: the request has more than one Authorization header. "
            "Get a new one from the gateway."
        )


QUOTED = [
    ("data:read", '"data:read"'),
    ('x", realm="y', '"x\\", realm=\\"y"'),
    ("a\\b", '"a\\\\b"'),
    ("a\r\nSet-Cookie: b", '"a??Set-Cookie: b"'),
    ("\u20ac\x00\x7f\ud800", '"????"'),
]


@pytest.mark.parametrize(("text", "quoted"), QUOTED)
def test_header_values_are_quoted(text: str, quoted: str) -> None:
    assert quote_header_value(text) == quoted


def test_a_missing_scope_cannot_change_the_header() -> None:
    assert forbidden(['x", realm="y']).headers == {
        "WWW-Authenticate": 'Bearer error="insufficient_scope", scope="x\\", realm=\\"y"'
    }


@pytest.mark.parametrize("text", ["", " ", "a b", "\u20ac", "a\n", '"', "\\", "x" * 129])
def test_text_that_is_not_a_scope(text: str) -> None:
    with pytest.raises(ValueError, match="is not a scope"):
        validate_scope_token(text)


def test_a_scope_is_returned_unchanged() -> None:
    assert validate_scope_token("data:read") == "data:read"
