"""The environment of `uv sync` has all packages of the tree, and what their locks are made from."""

import re
import tomllib
from pathlib import Path

import pytest

from nexusctl.workspace import ROOT, load

DOCUMENT = tomllib.loads((ROOT / "pyproject.toml").read_text())
GROUPS = DOCUMENT["dependency-groups"]
LIBRARIES = ("nexus-chassis", "nexus-testkit")


def asked_for(source: str) -> set[str]:
    """Return the packages that a .in file names."""
    lines = [line.partition("#")[0].strip() for line in (ROOT / source).read_text().splitlines()]
    return {re.split(r"[=<>~!]", line)[0] for line in lines if line}


def test_it_has_each_app_and_library() -> None:
    assert sorted(DOCUMENT["project"]["dependencies"]) == sorted([*LIBRARIES, *(app.name for app in load().apps)])


@pytest.mark.parametrize(("name", "source"), DOCUMENT["tool"]["uv"]["sources"].items())
def test_each_package_is_that_of_the_tree(name: str, source: dict[str, str]) -> None:
    project = tomllib.loads(Path(ROOT, source["path"], "pyproject.toml").read_text())["project"]
    assert project["name"] == name


def test_it_has_what_unit_tests_need() -> None:
    assert set(GROUPS["tests"]) == asked_for("tests/requirements.in")


def test_its_linters_are_those_of_the_tools() -> None:
    assert GROUPS["tools"] != []
    assert set(GROUPS["tools"]) - asked_for("tools/requirements.in") == set()


def test_its_version_is_that_of_the_tree() -> None:
    assert DOCUMENT["project"]["version"] == load().version
