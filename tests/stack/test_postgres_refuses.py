"""What PostgreSQL's container needs before it starts, and what it reports otherwise."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from harness.clone import Outcome
from harness.database import DATA, FOLDER, SUPERUSER_PASSWORD, Database, database

from nexusctl.workspace import load

USER = load().user_id
pytestmark = pytest.mark.usefixtures("stores")


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Database]:
    """A new volume and the superuser's secret."""
    with database(tmp_path, "refused") as made:
        yield made


def test_password_setting_that_is_missing(empty: Database) -> None:
    assert empty.refuse("--env", "POSTGRES_PASSWORD_FILE=") == Outcome(
        78,
        "",
        "postgres: the superuser's password is needed\n"
        "  found: POSTGRES_PASSWORD_FILE is not set\n"
        "  to do: set it to a file with the password (a mounted secret); `make up` makes one\n",
    )


@pytest.mark.parametrize("mounted", [True, False], ids=["empty", "missing"])
def test_password_file_without_password(empty: Database, mounted: bool) -> None:  # noqa: FBT001 # a pytest parameter
    empty.write("postgres_password", "")
    if not mounted:
        (empty.secrets / "postgres_password").unlink()
    assert empty.refuse() == Outcome(
        78,
        "",
        "postgres: the superuser's password is needed\n"
        "  found: /run/secrets/postgres_password is missing or empty\n"
        "  to do: mount a file with the password there; `make up` makes one under .nexus/secrets\n",
    )


def test_password_of_a_role_that_is_empty(empty: Database) -> None:
    empty.write("mcp_db_password", "")
    outcome = empty.refuse()
    assert outcome.status == 78
    assert outcome.err.endswith(
        "postgres: the password of role mcp is needed\n"
        "  found: /run/secrets/mcp_db_password is missing or empty\n"
        "  to do: mount a file with the password there; `make up` makes one under .nexus/secrets\n"
    ), outcome.err


def test_data_of_another_version_is_left_alone(empty: Database) -> None:
    assert empty.run("sh", "-c", f"echo 15 > {DATA}/PG_VERSION") == Outcome(0, "", "")
    assert empty.refuse("--env", f"PGDATA={DATA}") == Outcome(
        78,
        "",
        "postgres: the data folder belongs to another PostgreSQL\n"
        f"  found: version 15 in {DATA}\n"
        "  to do: dump it with that version and restore it here (docs/guides/run-in-production.md, Upgrade)\n",
    )


def test_folder_that_cannot_be_written(empty: Database) -> None:
    mount = ("--tmpfs", "/mounted:mode=0755,uid=0")
    assert empty.refuse(*mount, "--env", "PGDATA=/mounted/17") == Outcome(
        78,
        "",
        "postgres: the data folder cannot be written\n"
        f"  found: /mounted is not writable for uid {USER}\n"
        f"  to do: mount a volume that belongs to uid {USER}\n",
    )


def test_data_folder_of_another_user(empty: Database) -> None:
    mount = ("--tmpfs", f"/mounted:mode=2775,uid=0,gid={USER}")
    assert empty.refuse(*mount, "--env", "PGDATA=/mounted") == Outcome(
        78,
        "",
        "postgres: the data folder belongs to another user\n"
        f"  found: /mounted does not belong to uid {USER}\n"
        f"  to do: mount a volume that belongs to uid {USER}, or set PGDATA to a folder below it, such as /mounted/data\n",
    )


@pytest.mark.parametrize("mode", ["0770", "2777"])
def test_data_folder_with_a_mode_that_was_widened_is_closed_again(empty: Database, mode: str) -> None:
    superuser = ("postgres", SUPERUSER_PASSWORD)
    with empty.server() as server:
        server.rows(*superuser, "CREATE TABLE kept AS SELECT 'precious' AS value")
        assert server.rows(*superuser, "SHOW data_directory_mode") == ["0700"]
    assert empty.run("chmod", mode, FOLDER) == Outcome(0, "", "")
    with empty.server() as server:
        assert server.rows(*superuser, "SHOW data_directory_mode") == ["0750"]
        assert server.rows(*superuser, "SELECT value FROM kept") == ["precious"]
