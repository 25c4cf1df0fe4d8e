import time
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from conftest import CLIENT_SECRET, AddUser
from joserfc.jwk import OKPKey
from oauth_requests import ACCESS_TOKEN, EXCHANGE, ISSUER, basic, claims, post, refusal, verified

from nexus_chassis.errors import ConfigurationError
from nexus_chassis.tokens import InvalidTokenError
from nexus_gateway.oauth.keys.signing_key import SigningKey


class TestPublishedKeys:
    async def test_they_hold_the_public_parts_of_the_current_and_the_next_key(
        self, gateway: str, http: aiohttp.ClientSession
    ) -> None:
        async with http.get(f"{gateway}/.well-known/jwks.json") as response:
            assert response.headers["Cache-Control"] == "public, max-age=300"
            jwks = await response.json()

        current, upcoming = jwks["keys"]
        for key in (current, upcoming):
            assert key == {
                "kty": "OKP",
                "crv": "Ed25519",
                "alg": "Ed25519",
                "use": "sig",
                "x": key["x"],
                "kid": OKPKey.import_key(key).thumbprint(),
            }

    @pytest.mark.parametrize("kind", ["key-of-another-kind", "key-public-only", "key-garbled"])
    def test_a_file_with_no_such_key_is_refused(self, kind: str) -> None:
        path = Path(__file__).parent / "fixtures" / kind / "signing_key"

        with pytest.raises(ConfigurationError) as refused:
            SigningKey.load(path)

        assert str(refused.value) == (
            f"The file {path} holds no Ed25519 private key in PKCS#8 PEM form. "
            "Make one with: openssl genpkey -algorithm ed25519 -out FILE, and point NEXUS_SIGNING_KEY_FILE at it."
        )


class TestTokenForAudience:
    async def test_it_counts_for_that_service_alone(
        self, gateway: str, http: aiohttp.ClientSession, admin: dict[str, str], session: dict[str, Any]
    ) -> None:
        status, body = await post(http, f"{gateway}/v1/tokens", headers=admin, json={"audience": "mcp-server"})

        assert (status, body) == (
            201,
            {
                "access_token": body["access_token"],
                "token_type": "Bearer",
                "expires_in": body["expires_in"],
                "scope": "classify data:read tools:call",
            },
        )
        principal = await verified(gateway, "mcp-server", body["access_token"])
        assert (principal.client_id, principal.session) == ("nexus", session["session_id"])
        with pytest.raises(InvalidTokenError):
            await verified(gateway, "dataflow-service", body["access_token"])

    @pytest.mark.parametrize(
        ("audience", "scope"),
        [
            ("dataflow-service", "data:read"),
            ("classification-service", "classify"),
            ("mcp-server", "classify data:read tools:call"),
        ],
    )
    async def test_without_scopes_it_is_for_reading_and_never_for_administration(
        self, gateway: str, http: aiohttp.ClientSession, admin: dict[str, str], audience: str, scope: str
    ) -> None:
        _, body = await post(http, f"{gateway}/v1/tokens", headers=admin, json={"audience": audience})

        assert body["scope"] == scope

    async def test_administration_is_named(
        self, gateway: str, http: aiohttp.ClientSession, admin: dict[str, str]
    ) -> None:
        wanted = {"audience": "dataflow-service", "scopes": ["admin", "data:write"]}
        _, body = await post(http, f"{gateway}/v1/tokens", headers=admin, json=wanted)

        assert body["scope"] == "admin data:write"

    async def test_it_can_be_narrowed(self, gateway: str, http: aiohttp.ClientSession, admin: dict[str, str]) -> None:
        wanted = {"audience": "dataflow-service", "scopes": ["data:read"]}
        _, body = await post(http, f"{gateway}/v1/tokens", headers=admin, json=wanted)

        assert body["scope"] == "data:read"

    async def test_it_never_has_more_than_the_callers(
        self, gateway: str, http: aiohttp.ClientSession, add_user: AddUser
    ) -> None:
        reader = await add_user("data:read", "classify")
        wanted = {"audience": "dataflow-service", "scopes": ["data:write"]}

        assert await post(http, f"{gateway}/v1/tokens", headers=reader, json=wanted) == (
            403,
            {
                "type": "urn:nexus:problem:insufficient-scope",
                "title": "The access token does not allow this",
                "status": 403,
                "detail": "The access token lacks the scope data:write. Ask for a token that has it.",
                "missing_scopes": ["data:write"],
            },
        )

    @pytest.mark.parametrize("scope", ["\u20ac", "a\n", 'x", realm="y', "a b", "", "\\"])
    async def test_what_is_no_scope_is_refused(
        self, gateway: str, http: aiohttp.ClientSession, admin: dict[str, str], scope: str
    ) -> None:
        wanted = {"audience": "mcp-server", "scopes": [scope]}

        assert await post(http, f"{gateway}/v1/tokens", headers=admin, json=wanted) == (
            400,
            {
                "type": "urn:nexus:problem:invalid-scope",
                "title": "This is not a scope",
                "status": 400,
                "detail": f"Found {scope!r}. A scope is printable ASCII without blanks, quotes and backslashes.",
            },
        )

    @pytest.mark.parametrize("audience", ["nexus-gateway", "postgres"])
    async def test_there_is_none_for_the_gateway_itself_or_strangers(
        self, gateway: str, http: aiohttp.ClientSession, admin: dict[str, str], audience: str
    ) -> None:
        assert await post(http, f"{gateway}/v1/tokens", headers=admin, json={"audience": audience}) == (
            400,
            {
                "type": "urn:nexus:problem:unknown-audience",
                "title": "There is no such service",
                "status": 400,
                "detail": f"Found '{audience}'. Use one of classification-service, dataflow-service, mcp-server.",
            },
        )


@pytest.fixture
def client() -> dict[str, str]:
    return basic("mcp-server", CLIENT_SECRET)


async def subject_token(gateway: str, http: aiohttp.ClientSession, headers: dict[str, str]) -> str:
    _, body = await post(http, f"{gateway}/v1/tokens", headers=headers, json={"audience": "mcp-server"})
    return str(body["access_token"])


class TestTokenExchange:
    async def test_a_service_acts_for_its_caller(
        self, gateway: str, http: aiohttp.ClientSession, client: dict[str, str], add_user: AddUser
    ) -> None:
        caller = await add_user("tools:call", "classify", "data:read")
        subject = await subject_token(gateway, http, caller)
        form = {
            "grant_type": EXCHANGE,
            "subject_token": subject,
            "subject_token_type": ACCESS_TOKEN,
            "audience": "classification-service",
        }
        status, body = await post(http, f"{gateway}/oauth/token", headers=client, data=form)

        assert (status, body) == (
            200,
            {
                "access_token": body["access_token"],
                "token_type": "Bearer",
                "issued_token_type": ACCESS_TOKEN,
                "expires_in": body["expires_in"],
                "scope": "classify",
            },
        )
        before, after = claims(subject), claims(body["access_token"])
        assert after == before | {
            "aud": "classification-service",
            "scope": "classify",
            "client_id": "mcp-server",
            "act": {"sub": "mcp-server"},
            "iat": after["iat"],
            "jti": after["jti"],
        }
        assert (await verified(gateway, "classification-service", body["access_token"])).scopes == {"classify"}

    async def test_who_acted_before_stays_named(
        self, gateway: str, http: aiohttp.ClientSession, client: dict[str, str], secret_files: dict[str, Path]
    ) -> None:
        now = int(time.time())
        acted = {"sub": "agent", "act": {"sub": "another"}}
        subject = SigningKey.load(secret_files["NEXUS_SIGNING_KEY_FILE"]).sign(
            {
                "iss": ISSUER,
                "aud": "mcp-server",
                "sub": "alice",
                "client_id": "agent",
                "jti": "1",
                "scope": "classify",
                "iat": now,
                "exp": now + 60,
                "act": acted,
                "tenant": "acme",
            }
        )
        form = {
            "grant_type": EXCHANGE,
            "subject_token": subject,
            "subject_token_type": ACCESS_TOKEN,
            "audience": "classification-service",
        }
        _, body = await post(http, f"{gateway}/oauth/token", headers=client, data=form)

        after = claims(body["access_token"])
        assert (after["act"], after["tenant"]) == ({"sub": "mcp-server", "act": acted}, "acme")

    async def test_no_more_after_the_session_was_ended(
        self, gateway: str, http: aiohttp.ClientSession, client: dict[str, str], admin: dict[str, str]
    ) -> None:
        subject = await subject_token(gateway, http, admin)
        async with http.delete(f"{gateway}/v1/sessions/current", headers=admin):
            pass
        form = {
            "grant_type": EXCHANGE,
            "subject_token": subject,
            "subject_token_type": ACCESS_TOKEN,
            "audience": "classification-service",
        }

        assert await post(http, f"{gateway}/oauth/token", headers=client, data=form) == refusal(
            "invalid_grant", "The subject_token is refused: its session was ended."
        )

    async def test_a_token_not_meant_for_the_service_is_refused(
        self, gateway: str, http: aiohttp.ClientSession, client: dict[str, str], session: dict[str, Any]
    ) -> None:
        form = {
            "grant_type": EXCHANGE,
            "subject_token": session["access_token"],
            "subject_token_type": ACCESS_TOKEN,
            "audience": "classification-service",
        }

        assert await post(http, f"{gateway}/oauth/token", headers=client, data=form) == refusal(
            "invalid_grant", "The subject_token is refused: its audience is 'nexus-gateway', not 'mcp-server'."
        )


GRANTS = f"authorization_code, refresh_token, client_credentials, {EXCHANGE}"
type WrongRequest = tuple[list[tuple[str, str]], str, str]
WRONG_REQUESTS: list[WrongRequest] = [
    ([("x", "")], "unsupported_grant_type", f"Found ''. Use one of {GRANTS}."),
    (
        [("grant_type", "password")],
        "unsupported_grant_type",
        f"Found 'password'. Use one of {GRANTS}.",
    ),
    (
        [("grant_type", "client_credentials")],
        "invalid_target",
        "mcp-server gets no token for ''. Use one of classification-service, dataflow-service.",
    ),
    (
        [("grant_type", "client_credentials"), ("audience", "dataflow-service"), ("scope", "data:read admin")],
        "invalid_scope",
        "These scopes cannot be had: admin.",
    ),
    (
        [("grant_type", EXCHANGE), ("audience", "dataflow-service"), ("subject_token", "x")],
        "invalid_request",
        f"subject_token_type must be {ACCESS_TOKEN}.",
    ),
    ([("grant_type", "a"), ("grant_type", "b")], "invalid_request", "A parameter is given twice."),
]


class TestClientCredentials:
    async def test_a_service_gets_a_token_of_its_own(
        self, gateway: str, http: aiohttp.ClientSession, client: dict[str, str]
    ) -> None:
        form = {"grant_type": "client_credentials", "audience": "dataflow-service"}
        _, body = await post(http, f"{gateway}/oauth/token", headers=client, data=form)

        principal = await verified(gateway, "dataflow-service", body["access_token"])
        assert (principal.subject, principal.client_id, principal.scopes, principal.session) == (
            "mcp-server",
            "mcp-server",
            frozenset({"data:read"}),
            None,
        )

    @pytest.mark.parametrize("case", WRONG_REQUESTS)
    async def test_wrong_requests_are_explained(
        self, gateway: str, http: aiohttp.ClientSession, client: dict[str, str], case: WrongRequest
    ) -> None:
        form, error, description = case
        data = aiohttp.FormData(form)

        assert await post(http, f"{gateway}/oauth/token", headers=client, data=data) == refusal(error, description)

    async def test_a_form_has_a_limit(self, gateway: str, http: aiohttp.ClientSession, client: dict[str, str]) -> None:
        data = {"grant_type": "x" * 70000}
        status, body = await post(http, f"{gateway}/oauth/token", headers=client, data=data)

        assert (status, body["detail"]) == (413, "At most 65536 bytes are accepted here. Send the content in parts.")

    async def test_json_is_no_form(self, gateway: str, http: aiohttp.ClientSession, client: dict[str, str]) -> None:
        assert await post(http, f"{gateway}/oauth/token", headers=client, json={}) == refusal(
            "invalid_request", "Send the parameters as application/x-www-form-urlencoded."
        )

    @pytest.mark.parametrize("auth", [basic("mcp-server", "guess"), basic("other", CLIENT_SECRET)])
    async def test_a_wrong_secret_is_refused(
        self, gateway: str, http: aiohttp.ClientSession, auth: dict[str, str]
    ) -> None:
        assert await post(http, f"{gateway}/oauth/token", headers=auth, data={"grant_type": "x"}) == refusal(
            "invalid_client", "No client has this id and secret. See the client's secret file.", 401
        )

    @pytest.mark.parametrize(
        "authorization",
        [
            {},
            {"Authorization": "Basic !!!"},
            {"Authorization": "Bearer x"},
            {"Authorization": "Basic \u00e9"},
            {"Authorization": "Basic /////w=="},
            {"Authorization": "Basic"},
        ],
    )
    async def test_clients_authenticate_by_basic(
        self, gateway: str, http: aiohttp.ClientSession, authorization: dict[str, str]
    ) -> None:
        async with http.post(f"{gateway}/oauth/token", headers=authorization, data={"x": "y"}) as response:
            assert response.headers["WWW-Authenticate"] == 'Basic realm="oauth"'
            assert (response.status, await response.json()) == refusal(
                "invalid_client", "Send the client's id and secret by HTTP Basic.", 401
            )
