"""The command line, with a database of its own."""

import asyncio
import io
import subprocess
import sys
from pathlib import Path
from typing import Protocol

import asyncpg
import pytest
from conftest import PASSWORD

from nexus_gateway.cli import main

NEW_USER_TEXT = (
    "The user alice was created, without a password. "
    "Continue with: users set-password alice, or users reset-password alice.\n"
)
LAST_ADMIN = "The tenant default would have no enabled administrator left. Make somebody else one first.\n"


class Run(Protocol):
    def __call__(self, *arguments: str, typed: str = "") -> tuple[int, str, str]: ...


@pytest.fixture
def run(environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command; returns its exit status, and what it wrote to standard output and standard error."""

    def run_command(*arguments: str, typed: str = "") -> tuple[int, str, str]:
        environment.setattr("sys.stdin", io.StringIO(typed))
        with pytest.raises(SystemExit) as exit_:
            main(arguments)
        out, err = capsys.readouterr()
        return int(exit_.value.code or 0), out, err

    return run_command


def query(postgres_url: str, sql: str) -> list[tuple[object, ...]]:
    async def fetch() -> list[tuple[object, ...]]:
        connection = await asyncpg.connect(postgres_url)
        rows = await connection.fetch(sql)
        await connection.close()
        return [tuple(row) for row in rows]

    return asyncio.run(fetch())


def test_users(run: Run, postgres_url: str) -> None:
    run("tenants", "add", "acme", "Acme Ltd.")
    outputs = [
        run("users", "add", "alice", "--tenant", "acme", "--role", "viewer", "--role", "editor"),
        run("users", "list"),
        run("users", "set-password", "alice", typed=f"{PASSWORD}\n"),
        run("users", "set-roles", "alice", "operator"),
        run("users", "disable", "alice"),
        run("users", "list"),
        run("users", "enable", "alice"),
        run("users", "set-roles", "alice"),
        run("users", "remove", "alice"),
    ]

    assert outputs == [
        (0, NEW_USER_TEXT, ""),
        (
            0,
            (
                "NAME   TENANT   ROLES          STATE\n"
                "admin  default  admin          enabled\n"
                "alice  acme     editor viewer  no password\n"
            ),
            "",
        ),
        (0, "The user alice has the new password.\n", ""),
        (0, "The user alice has the roles: operator.\n", ""),
        (0, "The user alice is disabled.\n", ""),
        (
            0,
            "NAME   TENANT   ROLES     STATE\nadmin  default  admin     enabled\nalice  acme     operator  disabled\n",
            "",
        ),
        (0, "The user alice is enabled.\n", ""),
        (0, "The user alice has the roles: none.\n", ""),
        (0, "The user alice was removed.\n", ""),
    ]
    audited = (
        "SELECT DISTINCT client_id, subject, address, tenant FROM audit_events WHERE action ~ '^(user|tenant|password)'"
    )
    assert query(postgres_url, audited) == [("command-line", None, None, "default")]


def test_a_reset_link_is_printed(run: Run) -> None:
    status, out, err = run("users", "reset-password", "admin")

    assert (status, out[:37], len(out), err) == (0, "http://localhost:8000/password-reset/", 37 + 43 + 1, "")


def test_tenants(run: Run) -> None:
    added = run("tenants", "add", "acme", "Acme Ltd.")

    assert added == (0, "The tenant acme was created.\n", "")
    assert run("tenants", "list") == (0, "ID       NAME\nacme     Acme Ltd.\ndefault  Default\n", "")
    assert run("tenants", "add", "acme", "Another") == (1, "", "There is a tenant acme. Choose another id.\n")


def test_roles(run: Run) -> None:
    outputs = [
        run("roles", "set", "buyer", "data:read", "classify"),
        run("roles", "set", "viewer", "classify"),
        run("roles", "remove", "editor"),
        run("roles", "remove", "operator"),
        run("roles", "list"),
    ]

    every = "admin classify data:admin data:read data:write events:publish tools:call workflows:deploy"
    assert outputs == [
        (0, "The role buyer was created.\n", ""),
        (0, "The role viewer was changed.\n", ""),
        (0, "The role editor was removed.\n", ""),
        (0, "The role operator was removed.\n", ""),
        (0, f"NAME    SCOPES\nadmin   {every}\nbuyer   classify data:read\nviewer  classify\n", ""),
    ]


@pytest.mark.parametrize(
    ("arguments", "typed", "message"),
    [
        (["users", "remove", "admin"], "", LAST_ADMIN),
        (["users", "disable", "admin"], "", LAST_ADMIN),
        (["users", "set-roles", "admin", "viewer"], "", LAST_ADMIN),
        (["users", "remove", "bob"], "", "There is no user 'bob' that you administer. List the users.\n"),
        (["users", "set-password", "admin"], "short\n", "It has 5 characters. Use 12 to 1024.\n"),
        (["users", "set-password", "admin"], "", "It has 0 characters. Use 12 to 1024.\n"),
        (
            ["users", "add", "bob", "--role", "buyer"],
            "",
            "There are no roles buyer. Use existing ones, or create them first.\n",
        ),
        (
            ["users", "add", "Bob", "--email", "bob"],
            "",
            (
                "username: String should match pattern '^[a-z0-9][a-z0-9._@-]{0,62}$'; found 'Bob'.\n"
                r"email: String should match pattern '^[^@\s\x00-\x1f\x7f-\x9f"
                "\ufeff"
                r"]{1,64}@[^@\s\x00-\x1f\x7f-\x9f"
                "\ufeff"
                r"]+$'; found 'bob'."
                "\n"
            ),
        ),
        (
            ["roles", "set", "admin", "data:read"],
            "",
            "The role admin always has every scope. Create another role with those that you want.\n",
        ),
        (["roles", "remove", "buyer"], "", "There is no role buyer. List the roles.\n"),
    ],
)
def test_what_is_refused_is_explained_and_exits_with_1(
    run: Run, arguments: list[str], typed: str, message: str
) -> None:
    assert run(*arguments, typed=typed) == (1, "", message)


def test_a_store_that_is_away_exits_with_75(run: Run, environment: pytest.MonkeyPatch) -> None:
    environment.setenv("NEXUS_REDIS_URL", "redis://127.0.0.1:9/0")
    status, out, err = run("users", "reset-password", "admin")

    assert (status, out) == (75, "")
    assert err.startswith("Redis does not answer: ")
    assert err.endswith(". Nothing was changed. Try again once it does.\n")


def test_a_user_whose_sessions_cannot_be_ended_stays_as_they_are(
    run: Run, environment: pytest.MonkeyPatch, postgres_url: str
) -> None:
    run("users", "add", "alice", "--role", "viewer")
    before = query(postgres_url, "SELECT * FROM users ORDER BY username")
    environment.setenv("NEXUS_REDIS_URL", "redis://127.0.0.1:9/0")
    commands = [("disable", "alice"), ("set-roles", "alice", "editor"), ("remove", "alice")]
    statuses = [run("users", *command)[0] for command in commands]
    statuses += [run("users", "set-password", "alice", typed=PASSWORD)[0], run("roles", "set", "viewer", "classify")[0]]

    assert statuses == [75] * 5
    assert query(postgres_url, "SELECT * FROM users ORDER BY username") == before
    assert query(postgres_url, "SELECT scopes FROM roles WHERE name = 'viewer'") == [(["data:read"],)]


def test_wrong_settings_exit_with_78(run: Run, secret_files: dict[str, Path]) -> None:
    missing = secret_files["NEXUS_CLIENT_SECRET_FILE"]
    missing.unlink()

    assert run("users", "list") == (
        78,
        "",
        (
            "Invalid configuration:\n"
            f"  NEXUS_CLIENT_SECRET_FILE  The secret file {missing} does not exist. "
            "Write the secret to that file, or point this setting at the file that holds it.\n"
        ),
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["user"],
            "nexus_gateway: error: argument GROUP: invalid choice: 'user' (choose from users, tenants, roles, audit, keys, clients)\n",
        ),
        (["users"], "nexus_gateway users: error: the following arguments are required: COMMAND\n"),
        (["users", "add"], "nexus_gateway users add: error: the following arguments are required: NAME\n"),
    ],
)
def test_misuse_is_explained_and_exits_with_2(run: Run, arguments: list[str], message: str) -> None:
    status, out, err = run(*arguments)

    assert (status, out, err.splitlines(keepends=True)[-1]) == (2, "", message)


def test_the_module_administers_when_it_has_arguments(environment: pytest.MonkeyPatch) -> None:
    environment.chdir(Path(__file__).parent.parent)
    command = [sys.executable, "-m", "nexus_gateway", "roles", "remove", "admin"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (result.returncode, result.stdout, result.stderr) == (
        1,
        "",
        "The role admin always has every scope. Create another role with those that you want.\n",
    )


def test_clients_are_added_listed_and_removed(run: Run) -> None:
    options = ("--grant", "client_credentials", "--scope", "data:read", "--audience", "dataflow-service")
    status, out, _ = run("clients", "add", "importer", "Importer", *options)
    first, second = out.splitlines()
    assert (status, first) == (0, "The client importer was added.")
    assert second.startswith("Its secret, which is not shown again: ")

    public = ("--public", "--grant", "authorization_code", "--redirect-uri", "https://app.example/cb")
    assert run("clients", "add", "app", "App", *public, "--tenant", "default", "--audience", "mcp-server") == (
        0,
        "The client app was added.\n",
        "",
    )
    assert run("clients", "list")[1].splitlines() == [
        "ID        KIND          TENANT   NAME",
        "app       public        default  App",
        "importer  confidential  (all)    Importer",
    ]
    assert run("clients", "remove", "app") == (0, "The client app was removed.\n", "")
    assert run("clients", "remove", "app") == (1, "", "There is no client app. GET /v1/clients lists them.\n")


def test_a_client_that_cannot_be_is_explained(run: Run) -> None:
    options = ("--public", "--grant", "client_credentials", "--audience", "dataflow-service")

    assert run("clients", "add", "importer", "Importer", *options) == (
        1,
        "",
        "A public client cannot use client_credentials. Make it confidential.\n",
    )
