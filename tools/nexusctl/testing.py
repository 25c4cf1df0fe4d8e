"""`make test`, what any change can break, and `make prove`, the long proofs: each ends with a table and the counts."""

import subprocess
import sys
import time

from nexusctl import docker, lint, unit_tests
from nexusctl.console import Steps, err
from nexusctl.errors import NexusError
from nexusctl.report import Part, read, show
from nexusctl.workspace import ROOT, STATE

_PARTS = STATE / "parts.json"


def test(steps: Steps) -> bool:
    """Run lint, all unit tests, and every test under tests/ that is no proof; return whether all passed."""
    docker.require_engine()
    started = time.monotonic()
    parts = [_lint(steps)]
    if not parts[0].failed:
        parts += unit_tests.run(steps)
        parts += _pytest("--no-proofs")
    return show("make test", parts, time.monotonic() - started)


def prove(steps: Steps) -> bool:
    """Run the proofs, benchmarks and tests of extras whose inputs have changed since they last passed; return whether all passed."""
    docker.require_engine()
    started = time.monotonic()
    parts = [*_pytest("--prove"), *unit_tests.benchmarks(steps), *unit_tests.extras(steps)]
    return show("make prove", parts, time.monotonic() - started)


def _lint(steps: Steps) -> Part:
    started = time.monotonic()
    failed = 0
    try:
        lint.run(steps)
    except NexusError as error:
        err.print(str(error), markup=False, soft_wrap=True)
        failed = 1
    return Part("lint", time.monotonic() - started, passed=1 - failed, failed=failed)


def _pytest(option: str) -> list[Part]:
    """Run the host's tests; return a part for each file, and one more if pytest did not come to its end."""
    _PARTS.unlink(missing_ok=True)
    command = [sys.executable, "-m", "pytest", option, f"--parts={_PARTS}"]
    status = subprocess.run(command, cwd=ROOT, check=False).returncode
    parts = read(_PARTS) if _PARTS.exists() else []
    if status == 0 or any(part.failed for part in parts):
        return parts
    return [*parts, Part(f"pytest ended with exit status {status}", failed=1)]
