"""builder.paketo.toml: what Paketo's build image, which has no Python, must be able to run, and what it is told."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
from lifecycle import BUILDPACKS, Lifecycle

DEFINITION = BUILDPACKS / "builder" / "builder.paketo.toml"


def _definition() -> dict[str, Any]:
    return tomllib.loads(DEFINITION.read_text("utf-8"))


def _own() -> list[str]:
    """Return the folders of the buildpacks in it that are ours; the others are images."""
    addresses = [str(buildpack["uri"]) for buildpack in _definition()["buildpacks"]]
    return [Path(address).name for address in addresses if "://" not in address]


@pytest.fixture
def without_python(lifecycle: Lifecycle, tmp_path: Path) -> Lifecycle:
    lifecycle.leave_out_python(tmp_path / "programs")
    lifecycle.target |= {"CNB_TARGET_DISTRO_NAME": "ubuntu", "CNB_TARGET_DISTRO_VERSION": "24.04"}
    return lifecycle


def test_the_build_image_of_these_tests_has_no_python(without_python: Lifecycle) -> None:
    assert [path.name for path in Path(without_python.path).glob("py*")] == []
    assert (Path(without_python.path) / "cp").exists()


@pytest.mark.parametrize("buildpack", _own())
def test_detect_needs_no_python(without_python: Lifecycle, buildpack: str) -> None:
    without_python.set(BP_NEXUS_ACCELERATOR="cuda", BP_NEXUS_HEALTHCHECK="true")

    result = without_python.detect(buildpack)

    assert (result.status, result.output) == (0, "")


@pytest.mark.parametrize(
    ("buildpack", "reason"),
    [("accelerator", "BP_NEXUS_ACCELERATOR is not set"), ("healthcheck", "BP_NEXUS_HEALTHCHECK=false")],
)
def test_a_buildpack_that_takes_no_part_says_why(without_python: Lifecycle, buildpack: str, reason: str) -> None:
    without_python.set(BP_NEXUS_HEALTHCHECK="false")

    result = without_python.detect(buildpack)

    assert (result.status, result.output) == (100, f"nexus/{buildpack} takes no part: {reason}\n")


def test_the_probe_is_added_without_python(without_python: Lifecycle, probe_buildpack: Path) -> None:
    result = without_python.build("healthcheck", probe_buildpack)

    probe = without_python.layers / "probe" / "bin" / "health-probe"
    assert result.status == 0
    assert probe.stat().st_mode & 0o777 == 0o755
    assert (without_python.app / "health-check").readlink() == probe


def test_an_accelerator_is_refused_with_the_builder_that_has_one(without_python: Lifecycle) -> None:
    without_python.set(BP_NEXUS_ACCELERATOR="cuda")

    result = without_python.build("accelerator")

    assert result.output == (
        "nexus/accelerator 0.1.0\n\n"
        "ERROR: This builder cannot add the libraries of an accelerator\n\n"
        "What happened\n"
        "  BP_NEXUS_ACCELERATOR asks for an accelerator. Its libraries are installed by the Python of the build image.\n\n"
        "What was found\n"
        "  BP_NEXUS_ACCELERATOR=cuda\n"
        "  the build image has no python3\n\n"
        "What to do\n"
        "  Build with nexus/builder (make builder), or remove BP_NEXUS_ACCELERATOR to build for the CPU.\n"
    )
    assert result.status == 1


def test_for_the_cpu_nothing_is_added_and_no_python_needed(without_python: Lifecycle) -> None:
    without_python.set(BP_NEXUS_ACCELERATOR="cpu")

    result = without_python.build("accelerator")

    assert result.status == 0
    assert list(without_python.layers.iterdir()) == []


def test_it_builds_for_our_run_image_with_what_makes_the_apps_start_there() -> None:
    definition = _definition()

    assert definition["run"]["images"] == [{"image": "nexus/run"}]
    root = tomllib.loads((BUILDPACKS.parent / "project.toml").read_text("utf-8"))
    assert definition["build"]["env"] == [
        {"name": "BP_DIRECT_PROCESS", "value": "true"},
        {"name": "PIP_NO_DEPS", "value": "1"},
        {"name": "PIP_FORCE_REINSTALL", "value": "1"},
        {"name": "SOURCE_DATE_EPOCH", "value": str(root["nexus"]["source-date-epoch"])},
        {"name": "PYTHONPYCACHEPREFIX", "value": "", "suffix": "override"},
    ]
