"""`make unit`: each suite in a container of the build image, the one Python that images have, with real stores."""

import os
import re
import shlex
import subprocess
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from nexusctl import base_images, build_cache, docker, environments, unit_stores
from nexusctl.console import Steps, out
from nexusctl.errors import NexusError
from nexusctl.report import UNCHANGED, Part
from nexusctl.workspace import ROOT, STATE, load

_CHASSIS = "libs/chassis/src"
_AT_ONCE = 3  # suites: they wait more than they compute
_PROCESSES = {"dataflow-service": 2, "nexus-gateway": 2}  # of suites that would still run when all others have ended
_NO_TESTS_COLLECTED = 5
_COUNTS = re.compile(r"(\d+) (passed|failed|error|skipped)")
_FIGURE = re.compile(r"^figure: (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Suite:
    """A folder with tests; `app` is the service with whose packages it runs, `paths` are what it imports from."""

    folder: str
    app: str | None
    paths: tuple[str, ...]

    @property
    def name(self) -> str:
        """What `make unit SERVICES=` calls it."""
        return Path(self.folder).name


def suites() -> list[Suite]:
    """Return every suite that runs in a container, the short ones last: they fill what the long ones leave."""
    first = load().apps[0].name
    return [
        *(Suite(f"apps/{app.name}", app.name, (f"apps/{app.name}", _CHASSIS)) for app in load().apps),
        Suite("libs/chassis", first, (_CHASSIS,)),
        Suite("libs/testkit", first, (_CHASSIS,)),
        Suite("buildpacks", None, ("buildpacks/python/lib",)),
    ]


def run(steps: Steps, names: Sequence[str] = (), arguments: str = "") -> list[Part]:
    """Run the named suites (all if none is named) with more arguments for pytest; return what came of each."""
    docker.require_engine()
    parts = _run(steps, _chosen(names), shlex.split(arguments), at_once=_AT_ONCE)
    if not any(part.passed or part.failed or part.skipped for part in parts):
        raise NexusError(
            "no test was run", f"pytest was given `{arguments}`", "check the name; `-k` takes a part of it"
        )
    return parts


def benchmarks(steps: Steps) -> list[Part]:
    """Run the benchmarks that are tests (benchmarks/test_*.py) and whose inputs have changed, one suite at a time."""
    parts = []
    for suite in suites():
        if any((ROOT / suite.folder / "benchmarks").glob("test_*.py")):
            run_all = partial(_run_alone, steps, suite, "/benchmarks")
            parts += _if_changed(suite, f"benchmark-{suite.name}", f"benchmarks of {suite.name}", run_all)
    return parts


def extras(steps: Steps) -> list[Part]:
    """Run the tests of each extra, those called test_EXTRA.py, with its packages, where what they test has changed."""
    parts = []
    for suite in suites():
        if suite.app is None or not suite.folder.startswith("apps/"):
            continue
        for extra in environments.load_extras(suite.app):
            run_all = partial(_run_extra, steps, suite, extra)
            parts += _if_changed(suite, f"extra-{suite.app}-{extra}", f"extra {extra} of {suite.app}", run_all)
    return parts


def _if_changed(suite: Suite, name: str, label: str, run_all: Callable[[], list[Part]]) -> list[Part]:
    """Run what has not passed with the suite's folder and the chassis as they are."""
    value = build_cache.digest([ROOT / suite.folder, ROOT / "libs" / "chassis" / "src"])
    if build_cache.is_current(name, value):
        return [Part(label, reason=UNCHANGED)]
    parts = run_all()
    if parts[-1].passed and not parts[-1].failed:
        build_cache.finish(name, value)
    return parts


def _run_alone(steps: Steps, suite: Suite, subfolder: str, beside: Path | None = None) -> list[Part]:
    return _run(steps, [suite], ["--capture=no"], at_once=1, subfolder=subfolder, beside=beside)


def _run_extra(steps: Steps, suite: Suite, extra: str) -> list[Part]:
    beside = environments.of_extra(steps, str(suite.app), extra)
    (tests,) = (ROOT / suite.folder / "tests").rglob(f"test_{extra}.py")
    return _run_alone(steps, suite, f"/{tests.relative_to(ROOT / suite.folder)}", beside)


def _chosen(names: Sequence[str]) -> list[Suite]:
    known = {suite.name: suite for suite in suites()}
    if unknown := [name for name in names if name not in known]:
        raise NexusError("no such suite of unit tests", ", ".join(unknown), f"use one of: {', '.join(known)}")
    return [known[name] for name in names] or list(known.values())


def _run(
    steps: Steps,
    chosen: Sequence[Suite],
    arguments: Sequence[str],
    *,
    at_once: int,
    subfolder: str = "/tests",
    beside: Path | None = None,
) -> list[Part]:
    base_images.require(steps, load().base("nexus/build"))
    unit_stores.build(steps)
    with unit_stores.running(), ThreadPoolExecutor(at_once) as pool:
        packages = [environments.of_app(steps, suite.app) for suite in chosen]
        commands = [_command(*pair, subfolder, arguments, beside) for pair in zip(chosen, packages, strict=True)]
        unit_stores.wait()
        return list(pool.map(lambda suite, command: _part(suite, command, alone=len(chosen) == 1), chosen, commands))


def _command(suite: Suite, packages: Path, subfolder: str, arguments: Sequence[str], beside: Path | None) -> list[str]:
    search = [f"/src/{path}" for path in (*suite.paths, "libs/testkit/src")]
    environment = {
        "PYTHONPATH": ":".join([*search, "/environment", *(["/beside"] if beside else [])]),
        # The buildpacks' tests look at byte code, and run Python themselves.
        **({"PYTHONPYCACHEPREFIX": "/bytecode"} if suite.app else {}),
        **unit_stores.ENVIRONMENT,
    }
    configured = (ROOT / suite.folder / "pyproject.toml").exists()
    return [
        *("docker", "run", "--rm", "--network", unit_stores.NETWORK, "--user", str(_user()), "--workdir", "/src"),
        *("--tmpfs", "/tmp:exec,mode=1777", "--volume", f"{_bytecode(packages)}:/bytecode"),
        *("--volume", f"{ROOT}:/src:ro", "--volume", f"{packages}:/environment:ro"),
        *(("--volume", f"{beside}:/beside:ro") if beside else ()),
        *(part for name, value in environment.items() for part in ("--env", f"{name}={value}")),
        *("nexus/build", "python3", "-m", "pytest", "-p", "no:cacheprovider", "--rootdir", suite.folder),
        *(() if configured else ("-p", "no:asyncio", "-c", "pyproject.toml")),
        f"{suite.folder}{subfolder}" if configured else suite.folder,
        *(arguments or _in_processes(suite)),
    ]


def _in_processes(suite: Suite) -> tuple[str, ...]:
    """Return pytest-xdist's options: for a whole suite alone, as a debugger needs tests in pytest's own process."""
    return ("--numprocesses", str(_PROCESSES[suite.name]), "--dist", "worksteal") if suite.name in _PROCESSES else ()


def _user() -> int:
    """Return the user that tests run as: never root, and one whose files this user may remove."""
    return os.getuid() or load().user_id


def _bytecode(packages: Path) -> Path:
    """Return where containers keep what Python has compiled of the tree and of these packages."""
    folder = STATE / "bytecode" / packages.name
    folder.mkdir(parents=True, exist_ok=True)
    if os.getuid() == 0:
        os.chown(folder, _user(), _user())
    return folder


def _part(suite: Suite, command: Sequence[str], *, alone: bool) -> Part:
    """Run one suite; its output is shown line by line if it runs alone, else as a whole when it has ended."""
    started = time.monotonic()
    lines = []
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        for line in process.stdout or ():
            lines.append(line)
            if alone:
                out.print(line, end="", markup=False, soft_wrap=True)
    if not alone:
        out.print(f"\n{suite.folder}\n{''.join(lines)}", markup=False, soft_wrap=True)
    counts = {kind: int(number) for number, kind in _COUNTS.findall(lines[-1] if lines else "")}
    failed = counts.get("failed", 0) + counts.get("error", 0)
    if process.returncode not in {0, _NO_TESTS_COLLECTED}:
        failed = failed or 1  # it ended before it could count
    return Part(
        f"unit tests of {suite.name}",
        time.monotonic() - started,
        passed=counts.get("passed", 0),
        failed=failed,
        skipped=counts.get("skipped", 0),
        figure=", ".join(_FIGURE.findall("".join(lines))),
    )
