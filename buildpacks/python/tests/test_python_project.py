"""The project descriptor as the installer reads it; a folder under projects/ for each way that fails.

`NEXUS_UPDATE_EXPECTED=1 pytest` writes the present output into their expected.txt, to be read and committed.
"""

import os
import platform
from pathlib import Path

import pytest
from nexus_python.install import main
from nexus_python.project import read_build_variables

PROJECTS = Path(__file__).parent / "projects"


def test_the_variables_of_the_build_are_read_and_the_last_of_a_name_counts(tmp_path: Path) -> None:
    project = tmp_path / "project.toml"
    entries = [("BP_NEXUS_PRUNE", "*/tests"), ("BPE_DEFAULT_PORT", "8000"), ("BP_NEXUS_PRUNE", "numpy/f2py **/*.pyi")]
    tables = (f'[[io.buildpacks.build.env]]\nname = "{name}"\nvalue = "{value}"\n' for name, value in entries)
    project.write_text('[_]\nschema-version = "0.2"\n' + "".join(tables), "utf-8")

    assert read_build_variables(project) == {"BP_NEXUS_PRUNE": "numpy/f2py **/*.pyi", "BPE_DEFAULT_PORT": "8000"}


def test_a_project_need_not_set_variables(tmp_path: Path) -> None:
    project = tmp_path / "project.toml"
    project.write_text('[_]\nschema-version = "0.2"\nname = "shop"\n', "utf-8")

    assert read_build_variables(project) == {}


OLDER = '[[io.buildpacks.env.build]]\nname = "BP_NEXUS_PRUNE"\nvalue = "*/tests"\n'


@pytest.mark.parametrize(
    ("newer", "variables"),
    [
        ("", {"BP_NEXUS_PRUNE": "*/tests"}),
        ('[[io.buildpacks.build.env]]\nname = "BPE_A"\nvalue = "b"\n', {"BPE_A": "b"}),
        ("[io.buildpacks.build]\nenv = []\n", {}),
    ],
)
def test_the_older_spelling_counts_where_pack_takes_it(tmp_path: Path, newer: str, variables: dict[str, str]) -> None:
    project = tmp_path / "project.toml"
    project.write_text(f'[_]\nschema-version = "0.2"\n\n{OLDER}{newer}', "utf-8")

    assert read_build_variables(project) == variables


@pytest.mark.parametrize("failure", sorted(path.name for path in PROJECTS.iterdir()))
def test_a_project_that_cannot_be_used_ends_the_install_before_it_starts(
    failure: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(PROJECTS / failure)
    target = tmp_path / "new"

    status = main(["--requirements", "requirements.txt", "--target", str(target), "--project", "project.toml"])

    expected = PROJECTS / failure / "expected.txt"
    output = capsys.readouterr().err.replace(platform.python_version(), "{version}")
    if os.environ.get("NEXUS_UPDATE_EXPECTED"):
        expected.write_text(output, "utf-8")
    assert output == expected.read_text("utf-8")
    assert status == 1
    assert not target.exists()
