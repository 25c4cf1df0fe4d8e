"""What PostgreSQL's container needs before it starts, and what it says where it does not get it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import engine
from harness.clone import Outcome, run

from nexusctl.workspace import ROOT, load

IMAGE = next(service.image for service in load().stores if service.name == "postgres")
DATA = "/var/lib/postgresql/data"
USER = load().user_id
pytestmark = [
    pytest.mark.usefixtures("tag"),
    pytest.mark.parametrize("build_path", ["pack"], indirect=True, scope="session"),
]


@pytest.fixture
def volume() -> Iterator[str]:
    name = engine.docker("volume", "create", "nexus-test-refused")
    yield name
    engine.remove_volume(name)


def start(*options: str) -> Outcome:
    return run(["docker", "run", "--rm", *options, IMAGE], ROOT)


def secret(folder: Path, name: str, content: str) -> tuple[str, ...]:
    """Return the options that mount a secret."""
    path = folder / name
    path.write_text(content)
    return ("--volume", f"{path}:/run/secrets/{name}:ro")


def with_password(folder: Path) -> tuple[str, ...]:
    setting = "POSTGRES_PASSWORD_FILE=/run/secrets/postgres_password"
    return (*secret(folder, "postgres_password", "secret"), "--env", setting)


def test_password_setting_that_is_missing() -> None:
    assert start() == Outcome(
        78,
        "",
        "postgres: the superuser's password is needed\n"
        "  found: POSTGRES_PASSWORD_FILE is not set\n"
        "  to do: set it to a file with the password (a mounted secret); `make up` makes one\n",
    )


@pytest.mark.parametrize("mounted", [True, False], ids=["empty", "missing"])
def test_password_file_without_password(tmp_path: Path, mounted: bool) -> None:  # noqa: FBT001 # a pytest parameter
    mount = secret(tmp_path, "postgres_password", "") if mounted else ()
    assert start(*mount, "--env", "POSTGRES_PASSWORD_FILE=/run/secrets/postgres_password") == Outcome(
        78,
        "",
        "postgres: the superuser's password is needed\n"
        "  found: /run/secrets/postgres_password is missing or empty\n"
        "  to do: mount a file with the password there; `make up` makes one under .nexus/secrets\n",
    )


def test_password_of_a_role_that_is_empty(tmp_path: Path) -> None:
    outcome = start(*with_password(tmp_path), *secret(tmp_path, "mcp_db_password", ""))
    assert outcome.status == 78
    assert (
        "postgres: the password of role mcp is needed\n"
        "  found: /run/secrets/mcp_db_password is missing or empty\n"
        "  to do: run `make up`, which makes missing secrets\n"
    ) in outcome.err


def test_data_of_another_version_is_left_alone(tmp_path: Path, volume: str) -> None:
    mount = ("--volume", f"{volume}:{DATA}")
    write = f"echo 15 > {DATA}/PG_VERSION"
    assert run(["docker", "run", "--rm", *mount, IMAGE, "sh", "-c", write], ROOT) == Outcome(0, "", "")
    assert start(*with_password(tmp_path), *mount) == Outcome(
        78,
        "",
        "postgres: the data folder belongs to another PostgreSQL\n"
        f"  found: version 15 in {DATA}\n"
        "  to do: dump it with that version and restore it here (docs/operating.md, Upgrade)\n",
    )


def test_data_folder_that_cannot_be_written(tmp_path: Path) -> None:
    outcome = start(*with_password(tmp_path), "--tmpfs", f"{DATA}:mode=0755,uid=0", "--env", f"PGDATA={DATA}/17")
    assert outcome == Outcome(
        78,
        "",
        "postgres: the data folder cannot be written\n"
        f"  found: {DATA}/17 belongs to another user than {USER}\n"
        f"  to do: mount a volume that belongs to uid {USER}\n",
    )
