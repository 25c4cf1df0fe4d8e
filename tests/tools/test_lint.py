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


FAULTS = {
    "hadolint": (
        {"docker/Dockerfile.bad": "FROM nexus/run AS run\nUSER 0\nADD file /file\n"},
        """All checks passed!
docker/Dockerfile.bad:2 DL3002 warning: Last USER should not be root
docker/Dockerfile.bad:3 DL3020 error: Use COPY instead of ADD for files and folders
""",
    ),
    "mypy": (
        {
            "docker/Dockerfile.good": "FROM nexus/run\n",
            "tools/nexusctl/bad.py": 'count: int = ""\n',
            "tests/test_good.py": "",
        },
        """All checks passed!
2 files already formatted
tools/nexusctl/bad.py:1: error: Incompatible types in assignment (expression has type "str", variable has type "int")  [assignment]
Found 1 error in 1 file (checked 2 source files)
""",
    ),
}


def test_the_tree_passes() -> None:
    unit.lint(Steps())


@pytest.mark.parametrize("linter", FAULTS)
def test_a_fault_is_shown_and_refused(
    linter: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    files, said = FAULTS[linter]
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    shutil.copy(CONFIGURATION, tmp_path)
    tmp_path.chmod(0o755)
    monkeypatch.setattr(unit, "ROOT", tmp_path)
    with pytest.raises(NexusError) as refused:
        unit.lint(Steps())
    assert capfd.readouterr().out == said
    assert str(refused.value) == (
        f"{linter} found something\n  found: see the output above\n  to do: mend it, then run `make lint` again"
    )


def test_each_ignored_rule_has_its_reason() -> None:
    ignored = re.findall(r"^ *- *\w+.*$", CONFIGURATION.read_text(), re.MULTILINE)
    assert ignored
    assert [line for line in ignored if not re.fullmatch(r" *- DL\d{4} # \w.+", line)] == []


@pytest.mark.parametrize("dockerfile", sorted((ROOT / "docker").glob("Dockerfile.*")), ids=lambda path: path.suffix[1:])
def test_each_ignore_in_a_dockerfile_has_its_reason_above_it(dockerfile: Path) -> None:
    lines = pairwise(["", *dockerfile.read_text().splitlines()])
    assert [line for above, line in lines if line.startswith(IGNORE) and above[:2] != "# "] == []
