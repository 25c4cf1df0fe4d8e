import asyncio
from typing import Any

import aiohttp
import asyncpg
import pytest
from conftest import PASSWORD, AddUser, ask, problem, sign_in

UNKNOWN_ID = "00000000-0000-4000-8000-000000000000"
ALICE = {"username": "alice", "roles": ["viewer", "editor"], "email": "alice@example.com", "password": PASSWORD}
# The session check and the stream of revocations end a token; either may be the first to see that.
ENDED = [
    problem(
        401,
        "unauthorized",
        "An access token is needed",
        f"The access token is refused: {reason}. Get a new one from the gateway.",
    )
    for reason in ("its session was ended", "its session was ended, or its user's rights were changed")
]


def no_such_user(user: str) -> tuple[int, dict[str, object]]:
    detail = f"There is no user {user!r} that you administer. List the users."
    return problem(404, "no-such-user", "There is no such user", detail)


@pytest.fixture
def url(gateway: str) -> str:
    return f"{gateway}/v1/users"


async def create(http: aiohttp.ClientSession, url: str, admin: dict[str, str], **members: object) -> dict[str, Any]:
    status, user = await ask(http, "POST", url, admin, ALICE | members)
    assert status == 201, user
    return dict(user)


async def headers_of(http: aiohttp.ClientSession, url: str, username: str = "alice") -> dict[str, str]:
    _, signed_in = await sign_in(http, url.removesuffix("/v1/users"), username, PASSWORD)
    return {"Authorization": f"Bearer {signed_in['access_token']}"}


class TestCreate:
    async def test_a_user_is_returned_as_created_and_can_sign_in(
        self, url: str, gateway: str, http: aiohttp.ClientSession, admin: dict[str, str]
    ) -> None:
        async with http.post(url, json=ALICE, headers=admin) as response:
            created, headers = await response.json(), response.headers
        path = f"/v1/users/{created['id']}"
        signed_in = await sign_in(http, gateway, "alice", PASSWORD)

        assert (response.status, headers["Location"], headers["ETag"]) == (201, path, '"1"')
        assert created == {
            "id": created["id"],
            "username": "alice",
            "tenant": "default",
            "roles": ["editor", "viewer"],
            "email": "alice@example.com",
            "disabled": False,
            "has_password": True,
            "created_at": created["created_at"],
            "updated_at": created["created_at"],
            "password_changed_at": created["created_at"],
        }
        assert await ask(http, "GET", f"{gateway}{path}", admin) == (200, created)
        assert (signed_in[0], signed_in[1]["scope"]) == (201, "classify data:read data:write tools:call")

    async def test_a_name_is_all_that_a_user_needs(
        self, url: str, gateway: str, http: aiohttp.ClientSession, admin: dict[str, str]
    ) -> None:
        _, created = await ask(http, "POST", url, admin, {"username": "bob"})

        assert [created[name] for name in ("tenant", "roles", "email", "has_password")] == ["default", [], None, False]
        for password in ("x", PASSWORD):
            assert (await sign_in(http, gateway, "bob", password))[0] == 401

    async def test_a_name_is_taken_once(self, url: str, http: aiohttp.ClientSession, admin: dict[str, str]) -> None:
        await create(http, url, admin)

        assert await ask(http, "POST", url, admin, ALICE) == problem(
            409,
            "username-taken",
            "The user name is taken",
            "The name alice is taken. Choose another one; names are unique in all tenants together.",
        )

    @pytest.mark.parametrize(
        ("members", "answer"),
        [
            (
                {"tenant": "acme"},
                problem(400, "unknown-tenant", "There is no such tenant", "There is no tenant acme. Create it first."),
            ),
            (
                {"roles": ["viewer", "buyer", "auditor"]},
                problem(
                    400,
                    "unknown-role",
                    "There is no such role",
                    "There are no roles auditor, buyer. Use existing ones, or create them first.",
                ),
            ),
            (
                {"password": "eleven char"},
                problem(400, "weak-password", "The new password is refused", "It has 11 characters. Use 12 to 1024."),
            ),
            (
                {"password": "a" * 12},
                problem(
                    400,
                    "weak-password",
                    "The new password is refused",
                    "It is one character, repeated. Use another one.",
                ),
            ),
            (
                {"username": "alice.of.acme", "password": "Alice.Of.Acme"},
                problem(400, "weak-password", "The new password is refused", "It is the user name. Use another one."),
            ),
        ],
    )
    async def test_what_does_not_fit_is_refused(
        self,
        url: str,
        http: aiohttp.ClientSession,
        admin: dict[str, str],
        members: dict[str, object],
        answer: tuple[int, dict[str, object]],
    ) -> None:
        assert await ask(http, "POST", url, admin, ALICE | members) == answer

    @pytest.mark.parametrize(
        ("members", "pointer"),
        [
            ({"username": "Alice"}, "/body/username"),
            ({"username": "a\x00"}, "/body/username"),
            ({"username": "a" * 64}, "/body/username"),
            ({"tenant": "Acme"}, "/body/tenant"),
            ({"roles": ["a b"]}, "/body/roles/0"),
            ({"roles": "viewer"}, "/body/roles"),
            ({"email": "alice"}, "/body/email"),
            ({"email": "a\n@example.com"}, "/body/email"),
            ({"email": f"a@{'b' * 253}"}, "/body/email"),
            ({"disabled": True}, "/body/disabled"),
            ({"password": ""}, "/body/password"),
            ({"password": "a" * 1025}, "/body/password"),
        ],
    )
    async def test_what_is_no_user_is_refused(
        self,
        url: str,
        http: aiohttp.ClientSession,
        admin: dict[str, str],
        members: dict[str, object],
        pointer: str,
    ) -> None:
        status, answer = await ask(http, "POST", url, admin, ALICE | members)

        assert (status, [fault["pointer"] for fault in answer["errors"]]) == (422, [pointer])


class TestRead:
    async def test_users_come_in_pages_by_name(
        self, url: str, http: aiohttp.ClientSession, admin: dict[str, str]
    ) -> None:
        users = [await create(http, url, admin, username=name) for name in ("carol", "alice", "bob")]
        first = await ask(http, "GET", f"{url}?limit=3", admin)
        second = await ask(http, "GET", f"{url}?limit=3&after=bob", admin)

        names = [user["username"] for user in first[1]["items"]]
        assert (first[0], names, first[1]["next"]) == (200, ["admin", "alice", "bob"], "bob")
        assert first[1]["items"][1:] == [users[1], users[2]]
        assert second == (200, {"items": [users[0]], "next": None})

    @pytest.mark.parametrize("query", ["after=a%00", "after=A", "limit=0", "limit=201", "limit=x"])
    async def test_what_is_no_page_is_refused(
        self, url: str, http: aiohttp.ClientSession, admin: dict[str, str], query: str
    ) -> None:
        assert (await ask(http, "GET", f"{url}?{query}", admin))[0] == 422

    @pytest.mark.parametrize(
        "user", [UNKNOWN_ID, "alice", "{id:.8}", "urn:uuid:{id}", "{upper}", "{compact}", "{id}%00"]
    )
    async def test_a_user_has_one_spelling(
        self, url: str, http: aiohttp.ClientSession, admin: dict[str, str], user: str
    ) -> None:
        known = (await create(http, url, admin))["id"]
        asked = user.format(id=known, upper=known.upper(), compact=known.replace("-", ""))

        assert await ask(http, "GET", f"{url}/{asked}", admin) == no_such_user(asked.replace("%00", "\x00"))


class TestChange:
    async def test_members_that_are_missing_stay(
        self, url: str, http: aiohttp.ClientSession, admin: dict[str, str]
    ) -> None:
        user = await create(http, url, admin)
        unchanged = await ask(http, "PATCH", f"{url}/{user['id']}", admin, {})
        roles = await ask(http, "PATCH", f"{url}/{user['id']}", admin, {"roles": ["viewer", "operator", "viewer"]})
        email = await ask(http, "PATCH", f"{url}/{user['id']}", admin, {"email": None})

        assert unchanged == (200, user | {"updated_at": unchanged[1]["updated_at"]})
        assert roles == (200, unchanged[1] | {"roles": ["operator", "viewer"], "updated_at": roles[1]["updated_at"]})
        assert email == (200, roles[1] | {"email": None, "updated_at": email[1]["updated_at"]})

    async def test_other_roles_end_the_tokens_and_count_from_then_on(
        self, url: str, gateway: str, http: aiohttp.ClientSession, admin: dict[str, str]
    ) -> None:
        user = await create(http, url, admin)
        headers = await headers_of(http, url)
        await ask(http, "PATCH", f"{url}/{user['id']}", admin, {"roles": ["viewer"]})

        assert await ask(http, "GET", f"{gateway}/v1/me", headers) in ENDED
        _, me = await ask(http, "GET", f"{gateway}/v1/me", await headers_of(http, url))
        assert (me["roles"], me["scopes"]) == (["viewer"], ["data:read"])

    async def test_another_address_ends_no_token(
        self, url: str, gateway: str, http: aiohttp.ClientSession, admin: dict[str, str]
    ) -> None:
        user = await create(http, url, admin)
        headers = await headers_of(http, url)
        await ask(http, "PATCH", f"{url}/{user['id']}", admin, {"email": "a@example.org"})

        assert (await ask(http, "GET", f"{gateway}/v1/me", headers))[0] == 200

    async def test_a_disabled_user_is_signed_out_and_refused_as_by_a_wrong_password(
        self, url: str, gateway: str, http: aiohttp.ClientSession, admin: dict[str, str]
    ) -> None:
        user = await create(http, url, admin)
        headers = await headers_of(http, url)
        _, disabled = await ask(http, "PATCH", f"{url}/{user['id']}", admin, {"disabled": True})
        refused = await sign_in(http, gateway, "alice", PASSWORD)
        await ask(http, "PATCH", f"{url}/{user['id']}", admin, {"disabled": False})

        assert disabled["disabled"] is True
        assert refused == await sign_in(http, gateway, "alice", "wrong")
        assert await ask(http, "GET", f"{gateway}/v1/me", headers) in ENDED
        assert (await sign_in(http, gateway, "alice", PASSWORD))[0] == 201

    async def test_a_change_is_refused_when_somebody_else_was_faster(
        self, url: str, http: aiohttp.ClientSession, admin: dict[str, str]
    ) -> None:
        user = f"{url}/{(await create(http, url, admin))['id']}"
        if_match = admin | {"If-Match": '"1"'}
        statuses = [(await ask(http, "PATCH", user, if_match, {"disabled": value}))[0] for value in (True, False)]
        refused = await ask(http, "DELETE", user, if_match)

        assert statuses == [200, 412]
        assert refused == problem(
            412,
            "changed-meanwhile",
            "The user was changed",
            'The user was changed meanwhile, and has the ETag "2" now. Read the user again.',
        )
        assert (await ask(http, "GET", user, admin))[1]["disabled"] is True

    @pytest.mark.parametrize(
        ("if_match", "status"), [("*", 200), ('"7", "1"', 200), ('W/"1"', 412), ('"x"', 412), ("1", 412), ("", 412)]
    )
    async def test_if_match_is_read_as_http_has_it(
        self, url: str, http: aiohttp.ClientSession, admin: dict[str, str], if_match: str, status: int
    ) -> None:
        user = f"{url}/{(await create(http, url, admin))['id']}"

        assert (await ask(http, "PATCH", user, admin | {"If-Match": if_match}, {"email": None}))[0] == status

    async def test_one_of_two_changes_at_once_passes(
        self, url: str, http: aiohttp.ClientSession, admin: dict[str, str]
    ) -> None:
        user = f"{url}/{(await create(http, url, admin))['id']}"
        changes = [ask(http, "PATCH", user, admin | {"If-Match": '"1"'}, {"roles": []}) for _ in range(5)]

        assert sorted(status for status, _ in await asyncio.gather(*changes)) == [200, 412, 412, 412, 412]

    @pytest.mark.parametrize(
        "body", [{"username": "bob"}, {"tenant": "acme"}, {"password": PASSWORD}, {"disabled": None}, {"roles": None}]
    )
    async def test_what_cannot_be_changed_is_refused(
        self, url: str, http: aiohttp.ClientSession, admin: dict[str, str], body: dict[str, object]
    ) -> None:
        user = f"{url}/{(await create(http, url, admin))['id']}"

        assert (await ask(http, "PATCH", user, admin, body))[0] == 422

    async def test_an_unknown_role_changes_nothing(
        self, url: str, http: aiohttp.ClientSession, admin: dict[str, str]
    ) -> None:
        user = await create(http, url, admin)

        refused = await ask(http, "PATCH", f"{url}/{user['id']}", admin, {"roles": ["buyer"], "disabled": True})
        assert (refused[0], refused[1]["type"]) == (400, "urn:nexus:problem:unknown-role")
        assert await ask(http, "GET", f"{url}/{user['id']}", admin) == (200, user)


class TestRemove:
    async def test_a_removed_user_is_signed_out_and_gone(
        self, url: str, gateway: str, http: aiohttp.ClientSession, admin: dict[str, str]
    ) -> None:
        user = await create(http, url, admin)
        headers = await headers_of(http, url)
        removed = await ask(http, "DELETE", f"{url}/{user['id']}", admin)

        assert removed == (204, None)
        assert await ask(http, "GET", f"{gateway}/v1/me", headers) in ENDED
        assert (await sign_in(http, gateway, "alice", PASSWORD))[0] == 401
        assert await ask(http, "GET", f"{url}/{user['id']}", admin) == no_such_user(user["id"])
        assert await ask(http, "DELETE", f"{url}/{user['id']}", admin) == no_such_user(user["id"])
        assert await ask(http, "PATCH", f"{url}/{user['id']}", admin, {}) == no_such_user(user["id"])


class TestTenants:
    """Administrators of a tenant that is not `default`."""

    @pytest.fixture(autouse=True)
    async def tenants(self, database: asyncpg.Connection) -> None:
        await database.execute("INSERT INTO tenants (id, name) VALUES ('acme', 'Acme'), ('other', 'Other')")

    async def test_they_see_and_change_the_users_of_their_tenant(
        self, url: str, http: aiohttp.ClientSession, add_user: AddUser
    ) -> None:
        headers = await add_user("admin", tenant="acme")
        user = await create(http, url, headers)
        _, page = await ask(http, "GET", f"{url}?limit=1", headers)
        changed = await ask(http, "PATCH", f"{url}/{user['id']}", headers, {"roles": ["admin"]})
        removed = await ask(http, "DELETE", f"{url}/{user['id']}", headers)

        assert user["tenant"] == "acme"
        assert ([item["username"] for item in page["items"]], page["next"]) == (["alice"], "alice")
        assert (changed[0], changed[1]["roles"], removed) == (200, ["admin"], (204, None))

    async def test_users_of_other_tenants_do_not_exist_for_them(
        self, url: str, http: aiohttp.ClientSession, admin: dict[str, str], add_user: AddUser
    ) -> None:
        user = await create(http, url, admin, tenant="other")
        headers = await add_user("admin", tenant="acme")
        _, page = await ask(http, "GET", url, headers)
        path = f"{url}/{user['id']}"
        answers = [
            await ask(http, "GET", path, headers),
            await ask(http, "PATCH", path, headers, {"disabled": True}),
            await ask(http, "DELETE", path, headers),
            await ask(http, "POST", f"{path}/password-reset", headers),
        ]

        assert {item["tenant"] for item in page["items"]} == {"acme"}
        assert answers == [no_such_user(user["id"])] * 4
        assert await ask(http, "GET", path, admin) == (200, user)

    async def test_they_create_users_in_no_other_tenant(
        self, url: str, http: aiohttp.ClientSession, add_user: AddUser
    ) -> None:
        headers = await add_user("admin", tenant="acme")

        for tenant in ("default", "other", "unknown"):
            assert await ask(http, "POST", url, headers, ALICE | {"tenant": tenant}) == problem(
                403,
                "platform-only",
                "This concerns all tenants",
                "Only administrators of the tenant default may do this. Ask one of them.",
            )

    async def test_tokens_carry_the_tenant(self, gateway: str, http: aiohttp.ClientSession, add_user: AddUser) -> None:
        headers = await add_user("classify", tenant="acme")

        assert (await ask(http, "GET", f"{gateway}/v1/me", headers))[1]["tenant"] == "acme"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("POST", ""),
        ("GET", f"/{UNKNOWN_ID}"),
        ("PATCH", f"/{UNKNOWN_ID}"),
        ("DELETE", f"/{UNKNOWN_ID}"),
        ("POST", f"/{UNKNOWN_ID}/password-reset"),
    ],
)
async def test_users_are_for_administrators(
    url: str, http: aiohttp.ClientSession, add_user: AddUser, method: str, path: str
) -> None:
    body = ALICE if (method, path) == ("POST", "") else {} if method == "PATCH" else None

    assert await ask(http, method, f"{url}{path}", await add_user("data:admin"), body) == problem(
        403,
        "insufficient-scope",
        "The access token does not allow this",
        "The access token lacks the scope admin. Ask for a token that has it.",
        missing_scopes=["admin"],
    )
    assert (await ask(http, method, f"{url}{path}", {}, body))[0] == 401
