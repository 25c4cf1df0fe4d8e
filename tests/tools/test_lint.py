"""`make lint`: this tree passes, whatever a linter finds is shown and refused, and each exception has its reason."""

import re
import shutil
from itertools import pairwise
from pathlib import Path

import pytest
from harness.clone import clone, nexusctl

from nexusctl import environments, lint
from nexusctl.console import Steps
from nexusctl.workspace import ROOT, STATE

CONFIGURATION = ROOT / ".hadolint.yaml"
IGNORE = "# hadolint ignore="
FAULTS = {
    "ruff check": ("tools/nexusctl/errors.py", "import os\n", "F401 [*] `os` imported but unused"),
    "ruff format": ("tools/nexusctl/errors.py", "number=1\n", "unformatted: File would be reformatted"),
    "hadolint": (
        "docker/Dockerfile.redis",
        "ADD file /file\n",
        "DL3020 error: Use COPY instead of ADD for files and folders",
    ),
    "import-linter": (
        "libs/chassis/src/nexus_chassis/http.py",
        "import nexus_gateway\n",
        "nexus_chassis is not allowed to import nexus_gateway",
    ),
    "check of FastAPI dependencies": (
        "libs/chassis/src/nexus_chassis/tokens.py",
        "\n\ndef _plain() -> None: ...\n\n\nBlocking = Annotated[None, Depends(_plain)]\n",
        "`_plain` is a plain `def`: make it `async def`",
    ),
    "mypy": (
        "tools/nexusctl/errors.py",
        'count: int = ""\n',
        'error: Incompatible types in assignment (expression has type "str", variable has type "int")  [assignment]',
    ),
    "mypy of apps and libraries": (
        "apps/mcp-server/mcp_server/settings.py",
        'type Count = int\ncount: Count = ""\n',
        'error: Incompatible types in assignment (expression has type "str", variable has type "int")  [assignment]',
    ),
    "chassis in the locks": (
        "libs/chassis/src/nexus_chassis/redis.py",
        "# changed\n",
        "apps/mcp-server/requirements.txt was made for another nexus-chassis: run `make lock`",
    ),
}


@pytest.fixture
def tree_with_state(tmp_path: Path) -> Path:
    """A clone that has the packages of this tree, so that nothing is fetched."""
    tree = clone(tmp_path / "nexus", with_tests=True)
    environments.of_all_apps(Steps())
    for name in ("build-cache", "mypy"):
        shutil.copytree(STATE / name, tree / ".nexus" / name, dirs_exist_ok=True)
    (tree / ".nexus" / "environments").mkdir()
    (tree / ".nexus" / "environments" / "all").symlink_to(environments.FOLDER / "all")
    return tree


def test_the_tree_passes() -> None:
    lint.run(Steps())


def test_whatever_a_linter_finds_is_shown_and_refused(tree_with_state: Path) -> None:
    for path, text, _ in FAULTS.values():
        with (tree_with_state / path).open("a") as stream:
            stream.write(text)
    outcome = nexusctl(tree_with_state, "lint", env={"DOCKER_HOST": "unix:///no-engine.sock"})
    assert [complaint for _, _, complaint in FAULTS.values() if complaint not in outcome.out] == [], outcome
    assert re.findall(r"^✗ (.+) \d+\.\d s$", outcome.out, re.MULTILINE) == list(FAULTS)
    assert outcome.status == 1
    assert outcome.err == (
        f"nexusctl: {', '.join(FAULTS)} failed\n"
        "  found: see the output above\n"
        "  to do: fix it, then run `make lint` again\n"
    )


def test_each_ignored_rule_has_its_reason() -> None:
    ignored = re.findall(r"^ *- *\w+.*$", CONFIGURATION.read_text(), re.MULTILINE)
    assert ignored
    assert [line for line in ignored if not re.fullmatch(r" *- DL\d{4} # \w.+", line)] == []


@pytest.mark.parametrize("dockerfile", sorted((ROOT / "docker").glob("Dockerfile.*")), ids=lambda path: path.suffix[1:])
def test_each_ignore_in_a_dockerfile_has_its_reason_above_it(dockerfile: Path) -> None:
    lines = pairwise(["", *dockerfile.read_text().splitlines()])
    assert [line for above, line in lines if line.startswith(IGNORE) and above[:2] != "# "] == []
