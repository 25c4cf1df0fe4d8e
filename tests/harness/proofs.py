"""pytest plugin: proofs, which are skipped while nothing they depend on has changed, and what came of each file.

`--no-proofs` leaves proofs out (`make test`), `--prove` runs proofs alone (`make prove`), `--parts FILE` writes what
came of each file. Without them pytest runs whatever it is given, and records nothing.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from harness.figures import FIGURES
from nexusctl import build_cache
from nexusctl import report as parts
from nexusctl.workspace import ROOT

_IRRELEVANT = {"tests", "benchmarks", "__pycache__", "health-probe"}
_WITHOUT_DOCUMENTS = {"apps", "buildpacks"}  # their images have none of them
# What images are made from: the tree, and the tools that build them.
IMAGE_INPUTS = (
    "apps",
    "buildpacks",
    "docker",
    "libs/chassis/pyproject.toml",
    "libs/chassis/src",
    "project.toml",
    *(
        f"tools/nexusctl/{name}.py"
        for name in (
            "base_images",
            "build_cache",
            "builder",
            "chassis",
            "docker",
            "images",
            "shell",
            "toolchain",
            "wheels",
            "workspace",
        )
    ),
)
# What a running stack is made from as well.
STACK_INPUTS = (*IMAGE_INPUTS, "docker-compose.production.yml", "tests/harness/stack.py", "tools/nexusctl/secrets.py")


def proof(name: str, *inputs: str) -> pytest.MarkDecorator:
    """Mark tests as a proof: `inputs` are the files and folders, from the root, that it depends on beside its own file."""
    return pytest.mark.proof(name=name, inputs=inputs)


@dataclass
class _Counts:
    """What has come of a file's tests; `reason` is why the last one was skipped."""

    seconds: float = 0
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    reason: str = ""


@dataclass
class _Proof:
    """A proof that this run is to bring: the digest of its inputs, and its tests."""

    digest: str
    tests: set[str]
    passed: set[str] = field(default_factory=set)

    @property
    def is_complete(self) -> bool:
        return self.passed == self.tests


class Recorder:
    """The plugin of one session."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._counts: dict[str, _Counts] = {}
        self._proofs: dict[str, _Proof] = {}
        self._unchanged: list[str] = []

    @pytest.hookimpl(tryfirst=True)  # before `-k`, so that a proof has all of its tests
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Leave out what the options say."""
        if self._config.option.no_proofs:
            self._keep(items, {item.nodeid for item in items if _proof_of(item) is None})
        elif self._config.option.prove:
            self._find_proofs(items)
            self._keep(items, {test for found in self._proofs.values() for test in found.tests})

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Let the figures that the test measures be those of its file."""
        self._config.stash[FIGURES].part = _file(item.nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count what came of a test."""
        counts = self._counts.setdefault(_file(report.nodeid), _Counts())
        counts.seconds += report.duration
        if report.when == "call" or not report.passed:
            setattr(counts, report.outcome, getattr(counts, report.outcome) + 1)
        if report.skipped and isinstance(report.longrepr, tuple):
            counts.reason = report.longrepr[2].removeprefix("Skipped: ")
        if report.when == "call" and report.passed:
            for found in self._proofs.values():
                found.passed |= {report.nodeid} & found.tests

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Record the proofs whose tests have all passed, and write the parts."""
        if self._unchanged and session.exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED:
            session.exitstatus = pytest.ExitCode.OK
        for name, found in self._proofs.items():
            if found.is_complete:
                build_cache.finish(f"proof-{name}", found.digest)
        if self._config.option.parts:
            parts.write(self._config.option.parts, self._parts())

    def _find_proofs(self, items: list[pytest.Item]) -> None:
        tests: dict[str, list[pytest.Item]] = {}
        for item in items:
            if marker := _proof_of(item):
                tests.setdefault(marker["name"], []).append(item)
        for name, found in tests.items():
            digest = build_cache.digest(_inputs(found))
            if build_cache.is_current(f"proof-{name}", digest):
                self._unchanged.append(name)
            else:
                self._proofs[name] = _Proof(digest, {item.nodeid for item in found})

    def _keep(self, items: list[pytest.Item], wanted: set[str]) -> None:
        self._config.hook.pytest_deselected(items=[item for item in items if item.nodeid not in wanted])
        items[:] = [item for item in items if item.nodeid in wanted]

    def _parts(self) -> list[parts.Part]:
        figures = self._config.stash[FIGURES]
        ran = [
            parts.Part(
                name,
                counts.seconds,
                counts.passed,
                counts.failed,
                counts.skipped,
                reason="" if counts.passed or counts.failed else counts.reason,
                figure=figures.tightest(name),
            )
            for name, counts in self._counts.items()
        ]
        return [*ran, *(parts.Part(f"proof {name}", reason=parts.UNCHANGED) for name in self._unchanged)]


def add_options(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("proofs")
    group.addoption("--no-proofs", action="store_true", help="leave proofs out")
    group.addoption("--prove", action="store_true", help="run only proofs whose inputs have changed since they passed")
    group.addoption("--parts", type=Path, help="write what came of each file as JSON")


def configure(config: pytest.Config) -> None:
    """Make the marker known, and begin to record."""
    config.addinivalue_line("markers", "proof(name, inputs): a long proof, skipped while its inputs have not changed")
    config.pluginmanager.register(Recorder(config))


def _proof_of(item: pytest.Item) -> Mapping[str, Any] | None:
    marker = item.get_closest_marker("proof")
    return marker.kwargs if marker else None


def _file(test: str) -> str:
    return test.partition("::")[0]


def _inputs(items: Iterable[pytest.Item]) -> set[Path]:
    """Return the files that a proof's tests depend on: what they name, their own files, and what all tests share."""
    named = {ROOT / name for item in items for name in (_proof_of(item) or {}).get("inputs", ())}
    shared = {ROOT / "tests" / "harness" / name for name in ("engine.py", "clone.py", "builds.py")}
    found = (file for path in {*named, *shared} for file in ([path] if path.is_file() else path.rglob("*")))
    relevant = {file for file in found if file.is_file() and not _IRRELEVANT & set(file.relative_to(ROOT).parts[1:])}
    documents = {
        file for file in relevant if file.suffix == ".md" and file.relative_to(ROOT).parts[0] in _WITHOUT_DOCUMENTS
    }
    return relevant - documents | {item.path for item in items}
