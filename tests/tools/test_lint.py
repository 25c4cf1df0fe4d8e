"""`make lint`: this tree passes, a fault in a Dockerfile doesn't, and each exception has its reason."""

import re
import shutil
from itertools import pairwise
from pathlib import Path

import pytest

from nexusctl import unit
from nexusctl.console import Steps
from nexusctl.errors import NexusError
from nexusctl.workspace import ROOT

CONFIGURATION = ROOT / ".hadolint.yaml"
IGNORE = "# hadolint ignore="


def test_the_tree_passes_and_a_fault_in_a_dockerfile_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    unit.lint(Steps())
    capfd.readouterr()

    (tmp_path / "docker").mkdir()
    (tmp_path / "docker" / "Dockerfile.bad").write_text("FROM nexus/run AS run\nUSER 0\nADD file /file\n")
    shutil.copy(CONFIGURATION, tmp_path)
    tmp_path.chmod(0o755)
    monkeypatch.setattr(unit, "ROOT", tmp_path)
    with pytest.raises(NexusError) as refused:
        unit.lint(Steps())

    assert capfd.readouterr().out == (
        "All checks passed!\n"
        "docker/Dockerfile.bad:2 DL3002 warning: Last USER should not be root\n"
        "docker/Dockerfile.bad:3 DL3020 error: Use COPY instead of ADD for files and folders\n"
    )
    assert str(refused.value) == (
        "hadolint found something\n  found: see the output above\n  to do: mend it, then run `make lint` again"
    )


def test_each_ignored_rule_has_its_reason() -> None:
    ignored = re.findall(r"^ *- *\w+.*$", CONFIGURATION.read_text(), re.MULTILINE)
    assert ignored
    assert [line for line in ignored if not re.fullmatch(r" *- DL\d{4} # \w.+", line)] == []


@pytest.mark.parametrize("dockerfile", sorted((ROOT / "docker").glob("Dockerfile.*")), ids=lambda path: path.suffix[1:])
def test_each_ignore_in_a_dockerfile_has_its_reason_above_it(dockerfile: Path) -> None:
    lines = pairwise(["", *dockerfile.read_text().splitlines()])
    assert [line for above, line in lines if line.startswith(IGNORE) and above[:2] != "# "] == []
