"""How PostgreSQL's container reads passwords: as the services do, and never as nothing."""

import string
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness.clone import Outcome
from harness.database import SUPERUSER_PASSWORD, Database, database

from nexusctl.workspace import load

pytestmark = pytest.mark.usefixtures("stores")

PASSWORDS = {
    "postgres": SUPERUSER_PASSWORD,
    "gateway": "of-the-runtime-role",
    "gateway_owner": "of-the-owner",
}
FILES = {
    "postgres": "postgres_password",
    "gateway": "gateway_db_password",
    "gateway_owner": "gateway_owner_db_password",
}
WHAT = {
    "postgres": "the superuser's password",
    "gateway": "the password of role gateway",
    "gateway_owner": "the password of role gateway_owner",
}
PADDED = {
    "crlf": "secret\r\n",
    "line": "secret\n",
    "lines": "secret\n\n",
    "blanks": "  secret  ",
    "tabs": "\tsecret\t\n",
    "rare": "\v\fsecret\f\v",
    "inner": " se cret\twith\\'\" \r\n",
    "unicode": "\u00a0secret\u0085\u3000",
}
ROLES = pytest.mark.parametrize("role", PASSWORDS)


def write_all(database: Database) -> None:
    for role, password in PASSWORDS.items():
        database.write(FILES[role], password)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """A volume on which all roles have their passwords."""
    with database(tmp_path_factory.mktemp("database"), "secrets") as made:
        write_all(made)
        with made.server() as server:
            assert server.rows("gateway", PASSWORDS["gateway"], "SELECT current_user") == ["gateway"]
        yield made


@pytest.fixture
def existing(made: Database) -> Database:
    """The same with all secrets as they were."""
    write_all(made)
    return made


def assert_unchanged(database: Database) -> None:
    """Start without the roles' secrets, so that nothing is set, and log in with the former passwords."""
    write_all(database)
    for role in ("gateway", "gateway_owner"):
        (database.secrets / FILES[role]).unlink()
    with database.server() as server:
        for role, password in PASSWORDS.items():
            assert server.rows(role, password, "SELECT current_user") == [role]


@ROLES
def test_secret_that_the_container_cannot_read_stops_the_start_and_changes_no_password(
    existing: Database, role: str
) -> None:
    existing.write(FILES[role], "another", mode=0o600)
    outcome = existing.refuse()
    assert outcome.status == 78
    assert outcome.err.endswith(
        f"postgres: {WHAT[role]} is needed\n"
        f"  found: /run/secrets/{FILES[role]} cannot be read by uid {load().user_id}\n"
        "  to do: let that user read the file, for example with `chmod 0444` on the host\n"
    ), outcome.err
    assert_unchanged(existing)


@ROLES
def test_blank_secret_stops_the_start_and_changes_no_password(existing: Database, role: str) -> None:
    existing.write(FILES[role], " \t\r\n\v\f\n")
    outcome = existing.refuse()
    assert outcome.status == 78
    assert outcome.err.endswith(
        f"postgres: {WHAT[role]} is needed\n"
        f"  found: /run/secrets/{FILES[role]} contains nothing but white space\n"
        "  to do: write the password to that file\n"
    ), outcome.err
    assert_unchanged(existing)


def test_folder_in_place_of_a_secret_stops_the_start(existing: Database) -> None:
    path = existing.secrets / FILES["gateway"]
    path.unlink()
    path.mkdir()
    try:
        outcome = existing.refuse()
    finally:
        path.rmdir()
    assert outcome.status == 78
    assert f"found: /run/secrets/{FILES['gateway']} cannot be read by uid {load().user_id}\n" in outcome.err


def test_one_bad_secret_changes_no_other_role(existing: Database) -> None:
    existing.write(FILES["gateway"], "new")
    existing.write(FILES["gateway_owner"], "")
    outcome = existing.refuse()
    assert outcome.status == 78
    assert f"found: /run/secrets/{FILES['gateway_owner']} is missing or empty\n" in outcome.err
    assert_unchanged(existing)


def test_white_space_around_a_password_is_no_part_of_it(tmp_path: Path) -> None:
    with database(tmp_path, "padded") as padded:
        padded.write("postgres_password", f" \n{SUPERUSER_PASSWORD}\r\n")
        for role, content in PADDED.items():
            padded.write(f"{role}_db_password", content)
        with padded.server() as server:
            found = {
                role: server.query(role, content.strip(string.whitespace), "SELECT current_user")
                for role, content in PADDED.items()
            }
            found["postgres"] = server.query("postgres", SUPERUSER_PASSWORD, "SELECT current_user")
    assert found == {role: Outcome(0, f"{role}\n", "") for role in [*PADDED, "postgres"]}
