"""Lint, types and unit tests, each suite in a container of the build image: the one Python that images have."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from nexusctl import base, docker, images, shell, stamps, wheels
from nexusctl.console import Steps
from nexusctl.errors import NexusError
from nexusctl.workspace import ROOT, STATE, load

_ENVIRONMENTS = STATE / "test-environments"
_NETWORK = "nexus-unit"
_PASSWORD = "unit"  # noqa: S105 # of a database that lives for one test run
_START_SECONDS = 60
_HOST_PATHS = "tools:tests:tests/docs"
_HOST_TYPES = [
    *(sys.executable, "-m", "mypy", "--cache-dir", str(STATE / "mypy"), "--explicit-package-bases"),
    *("--exclude", "compare_encoders", "tools/nexusctl", "tests"),  # it runs inside an image, with an app's packages
]


@dataclass(frozen=True)
class Suite:
    """A folder with tests: `app` is the service whose packages it runs with, `types` what mypy looks at."""

    folder: str
    app: str | None
    paths: tuple[str, ...]
    types: tuple[str, ...]


def suites() -> list[Suite]:
    """Return every suite that runs in a container."""
    first = load().apps[0].name
    apps = [
        Suite(f"apps/{app.name}", app.name, (f"apps/{app.name}",), (f"apps/{app.name}/{_package(app.name)}",))
        for app in load().apps
    ]
    return [
        Suite("libs/chassis", first, ("libs/chassis/src",), ("libs/chassis/src", "libs/testkit/src")),
        Suite(
            "buildpacks",
            None,
            ("buildpacks/python/lib",),
            ("--exclude", "/tests/(application|fixtures)/", "buildpacks"),
        ),
        *apps,
    ]


def run(steps: Steps, names: list[str]) -> None:
    """Run the chosen suites (all if none is named); raise NexusError if one fails."""
    docker.require_engine()
    base.build(steps, tuple(load().base(image) for image in ("nexus/run", "nexus/build")))
    chosen = [suite for suite in suites() if not names or Path(suite.folder).name in names]
    extra = wheels.test_wheels(steps)
    for suite in chosen:
        _install(steps, suite, extra)
    images.build(steps, [service.name for service in load().stores], use_pack=True)
    with _stores():
        failed = [suite.folder for suite in chosen if not _run_suite(suite)]
    if failed:
        raise NexusError("unit tests failed", ", ".join(failed), "see the output above")


def lint(steps: Steps) -> None:
    """Check the whole tree with ruff, the Dockerfiles with hadolint, and the types of what the host runs with mypy."""
    suite = next(suite for suite in suites() if suite.app is None)
    base.build(steps, (load().base("nexus/build"),))
    _install(steps, suite, wheels.test_wheels(steps))
    for name, command in _linters():
        if subprocess.run([*_container(suite), *command], cwd=ROOT, check=False).returncode != 0:
            raise _found(name)
    # On the host, with the packages that these run with.
    if subprocess.run(_HOST_TYPES, cwd=ROOT, env={**os.environ, "MYPYPATH": _HOST_PATHS}, check=False).returncode != 0:
        raise _found("mypy")


def _found(name: str) -> NexusError:
    return NexusError(f"{name} found something", "see the output above", "mend it, then run `make lint` again")


def _linters() -> list[tuple[str, list[str]]]:
    ruff = ["python3", "-m", "ruff"]
    dockerfiles = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docker").glob("Dockerfile.*"))
    return [
        ("ruff check", [*ruff, "check", "--no-cache", "."]),
        ("ruff format", [*ruff, "format", "--check", "--no-cache", "."]),
        ("hadolint", ["/environment/bin/hadolint", "--no-color", *dockerfiles]),
    ]


def _package(name: str) -> str:
    return name.replace("-", "_")


def _environment(suite: Suite) -> Path:
    return _ENVIRONMENTS / (suite.app or "tools")


def _install(steps: Steps, suite: Suite, extra: Path) -> None:
    """Install the app's lock and the tests' lock into .nexus/test-environments/<app>."""
    locks = [wheels.TEST_REQUIREMENTS]
    if suite.app:
        locks.insert(0, ROOT / "apps" / suite.app / "requirements.txt")
    folder = _environment(suite)
    value = stamps.digest(locks, docker.image_id("nexus/build") or "")
    if folder.exists() and stamps.is_current(f"environment-{folder.name}", value):
        return
    with steps.step(f"test environment {folder.name}"):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for path in locks:
            shell.run(_pip_install(path, folder, extra), log=f"environment-{folder.name}")
    stamps.finish(f"environment-{folder.name}", value)


def _pip_install(lock: Path, folder: Path, extra: Path) -> list[str]:
    return [
        *("docker", "run", "--rm", "--network", "none", "--user", f"{os.getuid()}:{os.getgid()}"),
        *("--volume", f"{ROOT}:/src:ro", "--volume", f"{folder}:/environment", "--volume", f"{extra}:/wheels-tests:ro"),
        *("nexus/build", "python3", "-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes", "--upgrade"),
        *("--find-links", "/wheels-tests", "--target", "/environment", "-r", f"/src/{lock.relative_to(ROOT)}"),
    ]


def _container(suite: Suite) -> list[str]:
    python_path = ":".join(f"/src/{path}" for path in (*suite.paths, "libs/testkit/src"))
    settings = {
        "PYTHONPATH": f"{python_path}:/environment",
        "PYTHONDONTWRITEBYTECODE": "1",
        "NEXUS_TEST_POSTGRES_URL": f"postgresql://postgres:{_PASSWORD}@postgres:5432/postgres",
        "NEXUS_TEST_REDIS_URL": "redis://redis:6379/0",
    }
    return [
        *(
            "docker",
            "run",
            "--rm",
            "--network",
            _NETWORK if _network_exists() else "none",
            "--tmpfs",
            "/tmp:exec,mode=1777",
        ),
        *("--volume", f"{ROOT}:/src:ro", "--volume", f"{_environment(suite)}:/environment:ro", "--workdir", "/src"),
        *(part for name, value in settings.items() for part in ("--env", f"{name}={value}")),
        "nexus/build",
    ]


def _run_suite(suite: Suite) -> bool:
    mypy = ["python3", "-m", "mypy", "--cache-dir", "/tmp/mypy", "--config-file", "pyproject.toml", *suite.types]
    pytest = ["python3", "-m", "pytest", "-p", "no:cacheprovider", "--rootdir", suite.folder, suite.folder]
    if not (ROOT / suite.folder / "pyproject.toml").exists():
        pytest[3:3] = ["-p", "no:asyncio", "-c", "pyproject.toml"]
    return all(
        subprocess.run([*_container(suite), *command], cwd=ROOT, check=False).returncode == 0
        for command in (mypy, pytest)
    )


@contextmanager
def _stores() -> Iterator[None]:
    """PostgreSQL and Redis of our own images on a network of their own."""
    _remove_stores()
    shell.run(["docker", "network", "create", _NETWORK], log="unit-network")
    secret = STATE / "unit-password"
    secret.write_text(_PASSWORD)
    try:
        _start("postgres", "--volume", f"{secret}:/run/password:ro", "--env", "POSTGRES_PASSWORD_FILE=/run/password")
        _start("redis", command=["redis-server", "--save", "", "--protected-mode", "no"])
        _wait("postgres")
        _wait("redis")
        yield
    finally:
        _remove_stores()


def _start(name: str, *options: str, command: list[str] | None = None) -> None:
    shell.run(
        [
            *(
                "docker",
                "run",
                "--detach",
                "--name",
                f"{_NETWORK}-{name}",
                "--network",
                _NETWORK,
                "--network-alias",
                name,
            ),
            *options,
            *(f"nexus/{name}", *(command or [])),
        ],
        log=f"unit-{name}",
    )


def _wait(name: str) -> None:
    deadline = time.monotonic() + _START_SECONDS
    health = ["docker", "inspect", "--format", "{{.State.Health.Status}}", f"{_NETWORK}-{name}"]
    while shell.capture(health) != "healthy":
        if time.monotonic() > deadline:
            shell.run(["docker", "logs", f"{_NETWORK}-{name}"], log=f"unit-{name}")
            raise NexusError(
                f"{name} for the unit tests did not start",
                f"its log is in {(shell.LOGS / f'unit-{name}.log').relative_to(ROOT)}",
                "mend what the log names, then run the same command again",
            )
        time.sleep(0.5)


def _remove_stores() -> None:
    for name in ("postgres", "redis"):
        shell.succeeds(["docker", "rm", "--force", "--volumes", f"{_NETWORK}-{name}"])
    shell.succeeds(["docker", "network", "rm", _NETWORK])


def _network_exists() -> bool:
    return shell.succeeds(["docker", "network", "inspect", _NETWORK])
