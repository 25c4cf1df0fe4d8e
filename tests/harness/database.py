"""PostgreSQL on its own: the stack's image with the secrets and the volume of a test."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex

from harness import engine
from harness.clone import Outcome, run
from nexusctl.workspace import ROOT, load

IMAGE = next(service.image for service in load().stores if service.name == "postgres")
DATA = "/var/lib/postgresql/data"
FOLDER = f"{DATA}/17"
DATABASE = "nexus"
SUPERUSER_PASSWORD = "of-the-superuser"
_START_SECONDS = 60


@dataclass(frozen=True)
class Server:
    """A running PostgreSQL."""

    container: str

    def query(self, role: str, password: str, sql: str) -> Outcome:
        """Run SQL over TCP as a role."""
        address = f"postgresql://{role}@127.0.0.1/{DATABASE}"
        environment = ("--env", f"PGPASSWORD={password}")
        return run(["docker", "exec", *environment, self.container, "psql", "-qAtc", sql, address], ROOT)

    def rows(self, role: str, password: str, sql: str) -> list[str]:
        """Return the rows of a statement that must succeed."""
        outcome = self.query(role, password, sql)
        assert (outcome.status, outcome.err) == (0, ""), outcome
        return outcome.out.splitlines()

    def refusal(self, role: str, password: str, sql: str) -> str:
        """Return why a statement fails, which must not succeed."""
        outcome = self.query(role, password, sql)
        assert outcome.status != 0, f"{sql}: {outcome.out}"
        return outcome.err.splitlines()[0]


@dataclass(frozen=True)
class Database:
    """A volume and a folder of secrets, from which servers are started one after another."""

    secrets: Path
    volume: str

    def write(self, name: str, content: str, *, mode: int = 0o444) -> None:
        """Write a secret byte for byte; the containers' user is not its owner."""
        path = self.secrets / name
        path.unlink(missing_ok=True)
        path.write_bytes(content.encode())
        path.chmod(mode)

    def refuse(self, *options: str) -> Outcome:
        """Start a server that must end by itself, with more options; return its exit status and output."""
        with self._container(*options) as container:
            assert not _is_up(container), engine.last_log(container)
            status = engine.inspect(container)["State"]["ExitCode"]
            logs = run(["docker", "logs", container], ROOT)
            return Outcome(status, logs.out, logs.err)

    @contextmanager
    def server(self) -> Iterator[Server]:
        """Start a server; stop it in the end and keep the volume."""
        with self._container() as container:
            assert _is_up(container), engine.last_log(container)
            yield Server(container)
            engine.docker("stop", container)

    def run(self, *command: str) -> Outcome:
        """Run a command of the image on the volume."""
        return run(["docker", "run", "--rm", "--volume", f"{self.volume}:{DATA}", IMAGE, *command], ROOT)

    @contextmanager
    def _container(self, *options: str) -> Iterator[str]:
        mounts = ("--volume", f"{self.volume}:{DATA}", "--volume", f"{self.secrets}:/run/secrets:ro")
        variables = (
            "--env",
            "POSTGRES_PASSWORD_FILE=/run/secrets/postgres_password",
            "--env",
            f"POSTGRES_DB={DATABASE}",
        )
        command = ("run", "--detach", "--env", f"PGDATA={FOLDER}", *mounts, *variables, *options, IMAGE)
        container = engine.docker(*command)
        try:
            yield container
        finally:
            engine.docker("rm", "--force", "--volumes", container)


@contextmanager
def database(folder: Path, name: str) -> Iterator[Database]:
    """Make a new volume, and a folder of secrets with the superuser's; remove the volume in the end."""
    files = folder / "secrets"
    files.mkdir(mode=0o755)
    made = Database(files, engine.docker("volume", "create", f"nexus-test-{name}-{token_hex(4)}"))
    made.write("postgres_password", SUPERUSER_PASSWORD)
    try:
        yield made
    finally:
        engine.docker("volume", "rm", made.volume)


def _is_up(container: str) -> bool:
    """Wait until the server in a container accepts connections, or has ended."""
    deadline = time.monotonic() + _START_SECONDS
    ready = ["docker", "exec", container, "pg_isready", "--quiet", "--host=127.0.0.1"]
    while engine.inspect(container)["State"]["Running"]:
        if subprocess.run(ready, capture_output=True, check=False).returncode == 0:
            return True
        assert time.monotonic() < deadline, engine.last_log(container)
        time.sleep(0.1)
    return False
