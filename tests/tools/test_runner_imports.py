"""What workflow-runner imports is in its image: that has a part of the app, and packages of its own lock."""

import re
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from nexusctl import wheels
from nexusctl.workspace import ROOT

APP = ROOT / "apps" / "mcp-server"
IMPORT = re.compile(r"^ *(?:from|import) ([\w.]+)", re.MULTILINE)  # the host's Python may not parse that of images
MODULES = sorted((APP / "mcp_server" / "runner").rglob("*.py"))


def imported(module: Path) -> set[str]:
    """Return the full names of the modules that a module imports."""
    return set(IMPORT.findall(module.read_text()))


def requirements() -> set[str]:
    """Return the packages that the image is asked to have, as they are imported."""
    project = tomllib.loads((APP / "workflow-runner" / "pyproject.toml").read_text())["project"]
    return {Requirement(item).name.replace("-", "_") for item in project["dependencies"]}


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.stem)
def test_the_runner_imports_of_the_app_only_itself_and_of_packages_those_of_its_lock(module: Path) -> None:
    names = imported(module)
    of_app = {name for name in names if name.partition(".")[0] == "mcp_server"}
    assert {name for name in of_app if not name.startswith("mcp_server.runner")} == set()
    packages = {name.partition(".")[0] for name in names - of_app} - sys.stdlib_module_names
    assert packages <= requirements()


def test_the_lock_has_what_the_runner_needs_and_nothing_else() -> None:
    of_kailash = {"attrs", "jsonschema", "jsonschema-specifications", "pyyaml", "referencing", "rpds-py"}
    of_pydantic = {"annotated-types", "pydantic-core", "python-dotenv", "typing-extensions", "typing-inspection"}
    needed = {"kailash", "nexus-chassis", "pydantic", "pydantic-settings"}
    found = {name for name, _ in wheels.pins(APP / "workflow-runner" / "requirements.txt")}
    assert found == needed | of_kailash | of_pydantic


def test_the_runner_has_modules_and_requirements() -> None:
    assert {path.name for path in MODULES} >= {"__main__.py", "child.py", "sandbox.py"}
    assert {"kailash", "nexus_chassis", "pydantic", "pydantic_settings"} == requirements()
