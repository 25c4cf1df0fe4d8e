"""PostgreSQL and Redis for unit tests: of our own images, in memory, on a network that only this checkout uses."""

import fcntl
import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager

from nexusctl import build_cache, docker, images, shell
from nexusctl.console import Steps
from nexusctl.errors import NexusError
from nexusctl.workspace import ROOT, STATE, Service, load

# Two checkouts may run their tests on one engine at a time.
NETWORK = f"nexus-unit-{hashlib.sha256(str(ROOT).encode()).hexdigest()[:8]}"
_PASSWORD = "unit"  # noqa: S105 # of a database that lives for one run
ENVIRONMENT = {
    "NEXUS_TEST_POSTGRES_URL": f"postgresql://postgres:{_PASSWORD}@postgres:5432/postgres",
    "NEXUS_TEST_REDIS_URL": "redis://redis:6379/0",
}
_MAX_START_SECONDS = 60
_POLL_SECONDS = 0.1
_DATA = {"postgres": "/var/lib/postgresql/data", "redis": "/data"}
_COMMANDS = {
    # Each test has roles and schemas of its own, and connects anew: neither needs to last or to be safe.
    "postgres": ("postgres", "-c", "fsync=off", "-c", "full_page_writes=off", "-c", "scram_iterations=1"),
    "redis": ("redis-server", "--save", "", "--protected-mode", "no"),
}
_READY = {"postgres": ("pg_isready", "--quiet", "--host=127.0.0.1"), "redis": ("redis-cli", "ping")}


def build(steps: Steps) -> None:
    """Build the images of the stores where what they are made from has changed."""
    for store in load().stores:
        if not build_cache.is_current(f"store-{store.name}", _made_from(store)):
            images.build(steps, [store.name], use_pack=True)
            build_cache.finish(f"store-{store.name}", _made_from(store))


@contextmanager
def running() -> Iterator[None]:
    """Start the stores, which `wait` waits for; remove them afterwards. A second run in this checkout waits its turn."""
    with (STATE / "unit-tests.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _remove()  # those of a run that was killed
        secret = STATE / "unit-password"
        secret.write_text(_PASSWORD)
        try:
            shell.run(["docker", "network", "create", NETWORK], log="unit-network")
            # The image keeps strangers out of the database that it makes; tests use the other one.
            database = ("--env=POSTGRES_PASSWORD_FILE=/run/password", "--env=POSTGRES_DB=nexus")
            _start("postgres", f"--volume={secret}:/run/password:ro", *database)
            _start("redis")
            yield
        finally:
            _remove()


def wait() -> None:
    """Wait until the stores answer; raise NexusError if one does not."""
    deadline = time.monotonic() + _MAX_START_SECONDS
    for name, command in _READY.items():
        while not shell.succeeds(["docker", "exec", f"{NETWORK}-{name}", *command]):
            if time.monotonic() > deadline:
                shell.run(["docker", "logs", f"{NETWORK}-{name}"], log=f"unit-{name}")
                raise NexusError(
                    f"{name} for the unit tests did not start within {_MAX_START_SECONDS} s",
                    f"its log is in {(shell.LOGS / f'unit-{name}.log').relative_to(ROOT)}",
                    "fix what the log names, then run the same command again",
                )
            time.sleep(_POLL_SECONDS)


def _start(name: str, *options: str) -> None:
    user = load().user_id
    memory = ("--tmpfs", f"{_DATA[name]}:mode=0700,uid={user},gid={user}")
    place = ("--name", f"{NETWORK}-{name}", "--network", NETWORK, "--network-alias", name)
    command = ["docker", "run", "--detach", *place, *memory, *options, f"nexus/{name}", *_COMMANDS[name]]
    shell.run(command, log=f"unit-{name}")


def _remove() -> None:
    shell.succeeds(["docker", "rm", "--force", "--volumes", *(f"{NETWORK}-{name}" for name in _COMMANDS)])
    shell.succeeds(["docker", "network", "rm", NETWORK])


def _made_from(store: Service) -> str:
    recipes = ROOT / "docker"
    sources = [recipes / f"Dockerfile.{store.name}", *recipes.glob(store.name)]
    return build_cache.digest(sources, str(docker.image_id(store.base)), str(docker.image_id(store.image)))
