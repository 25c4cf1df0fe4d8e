"""What holds for all buildpacks: their descriptors and what the README says of them."""

import re
import tomllib

import pytest
from lifecycle import BUILDPACKS
from nexus_accelerator import VERSION as ACCELERATOR_VERSION
from nexus_python import __version__
from nexus_python.environment import ACTIONS
from nexus_python.settings import SIBLING_VARIABLES, VARIABLES

README = (BUILDPACKS / "README.md").read_text("utf-8")


SHELL_EXECUTABLES = [path for name in ("healthcheck", "accelerator") for path in (BUILDPACKS / name / "bin").iterdir()]


@pytest.mark.parametrize("name", ["python", "healthcheck", "accelerator"])
def test_descriptors_are_of_the_api_that_the_executables_follow(name: str) -> None:
    descriptor = tomllib.loads((BUILDPACKS / name / "buildpack.toml").read_text("utf-8"))

    assert descriptor["api"] == "0.10"
    assert descriptor["buildpack"]["id"] == f"nexus/{name}"
    assert descriptor["targets"] == [{"os": "linux"}]


@pytest.mark.parametrize(("name", "version"), [("python", __version__), ("accelerator", ACCELERATOR_VERSION)])
def test_descriptor_and_code_agree(name: str, version: str) -> None:
    descriptor = tomllib.loads((BUILDPACKS / name / "buildpack.toml").read_text("utf-8"))

    assert descriptor["buildpack"]["version"] == version


@pytest.mark.parametrize("name", ["healthcheck", "accelerator"])
def test_executables_in_shell_write_the_version_of_the_descriptor(name: str) -> None:
    version = tomllib.loads((BUILDPACKS / name / "buildpack.toml").read_text("utf-8"))["buildpack"]["version"]

    written = re.findall(rf"\bnexus/{name} (\d\S*\d)", (BUILDPACKS / name / "bin" / "build").read_text("utf-8"))

    assert set(written) == {version}


@pytest.mark.parametrize("name", ["python", "accelerator"])
def test_bills_of_materials_are_of_the_declared_format(name: str) -> None:
    descriptor = tomllib.loads((BUILDPACKS / name / "buildpack.toml").read_text("utf-8"))

    assert descriptor["buildpack"]["sbom-formats"] == ["application/vnd.cyclonedx+json"]


def test_the_readme_lists_just_the_variables_that_are_read() -> None:
    rows = [row for row in README.splitlines() if row.startswith("| `BP")]
    listed = {name for row in rows for name in re.findall(r"`(BPE?_[A-Z_]*)(?:<NAME>)?`", row)}

    assert listed == {*VARIABLES, *SIBLING_VARIABLES, "BPE_", *(f"BPE_{action}_" for action in ACTIONS)}


def test_the_siblings_variables_are_those_the_siblings_read() -> None:
    text = "".join(path.read_text("utf-8") for path in SHELL_EXECUTABLES if path.name in {"build", "detect"})

    assert set(re.findall(r"\bBP_\w+", text)) == set(SIBLING_VARIABLES)
