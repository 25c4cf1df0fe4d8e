"""Each way a build fails: the whole of what the person who builds reads. One fixture application per failure.

`NEXUS_UPDATE_EXPECTED=1 pytest` writes the present output into the fixtures' expected.txt, to be read and committed.
"""

import os
import re
import shutil
from pathlib import Path

import pytest
from lifecycle import Lifecycle
from nexus_python.pip_install import describe_python

FIXTURES = Path(__file__).parent / "fixtures"
FAILURES = sorted(path.name for path in FIXTURES.iterdir())


def _without_machine(output: str, lifecycle: Lifecycle) -> str:
    """Put names in the place of what differs between machines."""
    for value, name in (
        (lifecycle.app, "{app}"),
        (lifecycle.layers, "{layers}"),
        (lifecycle.wheelhouse, "{wheelhouse}"),
        (describe_python(), "{python}"),
        (describe_python().split()[1], "{version}"),
    ):
        output = output.replace(str(value), name)
    return re.sub(r"\d+ MiB", "{size}", output)


@pytest.mark.parametrize("failure", FAILURES)
def test_a_failed_build_says_what_happened_what_was_found_and_what_to_do(failure: str, lifecycle: Lifecycle) -> None:
    fixture = FIXTURES / failure
    shutil.copytree(fixture / "app", lifecycle.app, dirs_exist_ok=True)
    if (fixture / "platform").is_dir():
        shutil.copytree(fixture / "platform", lifecycle.platform, dirs_exist_ok=True)
    if failure == "disk-full":
        # A write to /dev/full fails as one to a full disk does.
        (lifecycle.layers / "launch.toml").symlink_to("/dev/full")

    detected = lifecycle.detect("python")
    built = lifecycle.build("python")

    output = _without_machine(built.output, lifecycle)
    if os.environ.get("NEXUS_UPDATE_EXPECTED"):
        (fixture / "expected.txt").write_text(output, "utf-8")
    assert (detected.status, detected.output) == (0, "")
    assert output == (fixture / "expected.txt").read_text("utf-8")
    assert built.status == 1
