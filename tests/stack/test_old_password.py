"""A database volume that was made with an older password: it takes the new one over, and nothing is lost."""

import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from harness import engine
from harness.clone import Outcome, run
from harness.proofs import STACK_INPUTS, proof
from harness.stack import compose, settings

from nexusctl import secrets
from nexusctl.workspace import COMPOSE_FILE, ROOT

PROJECT = "nexus-test-password"
ROLE, OWNER = "gateway", "gateway_owner"
FORMER, LATTER = "the-former-password", "the-latter-password"
LIMIT_SECONDS = 60

pytestmark = [
    proof("old password", *STACK_INPUTS),
    pytest.mark.usefixtures("tag"),
    pytest.mark.parametrize("build_path", ["pack"], indirect=True, scope="session"),
]


class Project:
    """A copy of the compose file with its own secrets; `start` and `restart` name services."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._environment = settings(project=PROJECT, tag="latest", gateway_port=18003, mcp_port=13003)
        shutil.copy(COMPOSE_FILE, folder)
        shutil.copytree(ROOT / "docker" / "postgres", folder / "docker" / "postgres")
        secrets.ensure()
        shutil.copytree(secrets.FOLDER, folder / ".nexus" / "secrets")

    def set_password(self, password: str, role: str = ROLE) -> None:
        """Put another password into a role's secret file, in place, as an editor does."""
        path = self._folder / ".nexus" / "secrets" / f"{role}_db_password"
        path.chmod(0o644)
        path.write_text(password)

    def compose(self, *arguments: str) -> None:
        done = compose(self._folder, self._environment, *arguments)
        assert done.returncode == 0, done.stdout + done.stderr

    def start(self, *services: str) -> None:
        """Start services without those that they depend on."""
        self.compose("up", "--detach", "--no-build", "--no-deps", *services)

    def container(self, service: str) -> str:
        (container,) = engine.containers(PROJECT, service)
        return container

    def wait(self, service: str, is_so: Callable[[Mapping[str, str]], bool]) -> None:
        """Wait until the state of a service's container is as asked for."""
        deadline = time.monotonic() + LIMIT_SECONDS
        while not is_so(state := engine.inspect(self.container(service))["State"]):
            if time.monotonic() > deadline:
                pytest.fail(f"{service}: {json.dumps(state)}\n{engine.last_log(self.container(service))}")
            time.sleep(0.2)

    def wait_until_healthy(self, service: str) -> None:
        self.wait(service, lambda state: state["Health"]["Status"] == "healthy")  # type: ignore[index]

    def query(self, sql: str, password: str, role: str = ROLE) -> Outcome:
        """Run SQL over TCP as a role."""
        address = f"postgresql://{role}@127.0.0.1/nexus"
        environment = ("--env", f"PGPASSWORD={password}")
        return run(["docker", "exec", *environment, self.container("postgres"), "psql", "-Atc", sql, address], ROOT)


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """PostgreSQL with the former password and a row in it."""
    project = Project(tmp_path)
    project.set_password(FORMER)
    project.set_password(FORMER, OWNER)
    project.compose("down", "--volumes")  # left by an interrupted run
    try:
        project.start("postgres")
        project.wait_until_healthy("postgres")
        made = project.query("CREATE TABLE kept AS SELECT 'precious' AS value", FORMER, OWNER)
        assert made == Outcome(0, "SELECT 1\n", "")
        yield project
    finally:
        project.compose("down", "--volumes")


@pytest.mark.parametrize("role", [ROLE, OWNER])
def test_database_takes_the_new_password_over_when_it_starts_again(project: Project, role: str) -> None:
    project.set_password(LATTER, role)
    project.compose("restart", "postgres")
    project.wait_until_healthy("postgres")
    assert project.query("SELECT value FROM kept", LATTER, role) == Outcome(0, "precious\n", "")
    refused = project.query("SELECT 1", FORMER, role)
    assert (refused.status, refused.out) == (2, "")
    assert f'FATAL:  password authentication failed for user "{role}"' in refused.err


def test_gateway_says_what_to_do_and_comes_up_once_the_passwords_agree(project: Project) -> None:
    project.set_password(LATTER)
    project.start("redis")
    project.start("nexus-gateway")
    project.wait("nexus-gateway", lambda state: state["ExitCode"] == 78)  # type: ignore[comparison-overlap]
    assert first_complaint(project.container("nexus-gateway")) == (
        f"PostgreSQL at postgres:5432 refuses the role '{ROLE}': "
        f'password authentication failed for user "{ROLE}". '
        f"The database volume may be older than the secret in /run/secrets/{ROLE}_db_password: put the former password "
        f"back into that file, or set the new one with ALTER ROLE {ROLE} PASSWORD as superuser."
    )
    project.compose("restart", "postgres")
    project.wait_until_healthy("postgres")
    project.wait_until_healthy("nexus-gateway")
    assert project.query("SELECT value FROM kept", LATTER) == Outcome(0, "precious\n", "")


def first_complaint(container: str) -> str:
    """Return the first message of level critical or error in a service's log."""
    entries = [json.loads(line) for line in engine.last_log(container, lines=1000).splitlines() if line.startswith("{")]
    complaints = [entry["message"] for entry in entries if entry["level"] in {"critical", "error"}]
    assert complaints, entries
    return str(complaints[0])
