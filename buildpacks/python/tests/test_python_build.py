import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from lifecycle import BUILDPACKS, Lifecycle
from nexus_python.pip_install import describe_python
from wheels import lock_line, write_wheel

UNCHECKED_HASH = b"\x01\x00\x00\x00"  # flags of a hash-based bytecode file, PEP 552


def _tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def _launch(application: Lifecycle, *command: str) -> str:
    """Run a command in the environment that the launcher makes of the layers."""
    environ = {"PATH": str(Path(sys.executable).parent)}
    for name in ("packages", "variables"):
        for file in sorted((application.layers / name / "env.launch").glob("*")):
            variable, _, action = file.name.partition(".")
            if action != "delim":
                environ[variable] = file.read_text("utf-8")
    return subprocess.run(command, cwd=application.app, env=environ, capture_output=True, text=True, check=True).stdout


def test_a_build_says_what_it_does(application: Lifecycle) -> None:
    application.write({"web/template.py": "{{ not_python }} is\n"})
    application.set(
        BP_CPYTHON_VERSION="3.13.*", BPE_DEFAULT_PORT="8000", BP_NEXUS_PRUNE="*/tests nothing/*", BP_LOG_LEVEL="debug"
    )

    result = application.build("python")

    assert result.output == (
        "nexus/python 0.1.0\n"
        "  Note: BP_LOG_LEVEL is not read by this builder's buildpacks and changes nothing\n"
        f"  {describe_python()}, as BP_CPYTHON_VERSION=3.13.* asks\n"
        "  Pruned: 0.0 MiB\n"
        "  Note: the prune glob nothing/* matches nothing; is it still needed?\n"
        "  Note: 1 package file could not be compiled by this Python: beta/template.py\n"
        "  Packages: 2 distributions installed\n"
        "  Note: 1 application file could not be compiled by this Python: web/template.py\n"
        "  Launch environment: PORT.default\n"
        "  Process web (default): python3 -m shop\n"
        "  Process worker: python3 -m shop --queue=large jobs --retries 3\n"
    )
    assert result.status == 0


def test_the_application_starts_from_the_layers(application: Lifecycle) -> None:
    application.set(BPE_DEFAULT_PORT="8000")
    application.build("python")

    assert _launch(application, "python3", "-m", "shop") == "alpha 1.0\nport 8000\n"


def test_processes_and_labels_are_those_of_the_procfile_and_bp_image_labels(application: Lifecycle) -> None:
    application.set(BP_IMAGE_LABELS="""team=catalogue title="Product gateway" "org.example note"='say "yes"'""")

    application.build("python")

    assert application.toml("launch.toml") == {
        "processes": [
            {"type": "web", "command": ["python3", "-m", "shop"], "default": True},
            {
                "type": "worker",
                "command": ["python3", "-m", "shop", "--queue=large jobs", "--retries", "3"],
                "default": False,
            },
        ],
        "labels": [
            {"key": "org.example note", "value": 'say "yes"'},
            {"key": "team", "value": "catalogue"},
            {"key": "title", "value": "Product gateway"},
        ],
    }


def test_launch_variables_become_environment_files_of_their_own_layer(application: Lifecycle) -> None:
    application.set(
        BPE_COLOUR="red",
        BPE_DEFAULT_PORT="8000",
        BPE_OVERRIDE_MODE="fast",
        BPE_APPEND_OPTIONS="--more",
        BPE_DELIM_OPTIONS=" ",
        BPE_PREPEND_SEARCH="/first",
    )

    application.build("python")

    assert _tree(application.layers / "variables") == {
        "env.launch/COLOUR": b"red",
        "env.launch/MODE.override": b"fast",
        "env.launch/OPTIONS.append": b"--more",
        "env.launch/OPTIONS.delim": b" ",
        "env.launch/PORT.default": b"8000",
        "env.launch/SEARCH.prepend": b"/first",
    }
    assert application.toml("variables.toml") == {"types": {"launch": True}, "metadata": {}}


def test_the_packages_layer_holds_packages_scripts_and_environment(application: Lifecycle) -> None:
    application.set(BP_NEXUS_PRUNE="*/tests")

    application.build("python")

    layer = application.layers / "packages"
    tag = sys.implementation.cache_tag
    assert sorted(_tree(layer)) == [
        "bin/alpha",
        "bin/alpha-python",
        "env.launch/PYTHONDONTWRITEBYTECODE.default",
        "env.launch/PYTHONPATH.delim",
        "env.launch/PYTHONPATH.prepend",
        "env.launch/PYTHONUNBUFFERED.default",
        "sbom.cdx.json",
        "site-packages/alpha-1.0.dist-info/METADATA",
        "site-packages/alpha-1.0.dist-info/RECORD",
        "site-packages/alpha-1.0.dist-info/WHEEL",
        "site-packages/alpha-1.0.dist-info/entry_points.txt",
        "site-packages/alpha/__init__.py",
        f"site-packages/alpha/__pycache__/__init__.{tag}.pyc",
        "site-packages/beta/__init__.py",
        f"site-packages/beta/__pycache__/__init__.{tag}.pyc",
        "site-packages/beta/template.py",
        "site-packages/beta_parts-2.1.dist-info/METADATA",
        "site-packages/beta_parts-2.1.dist-info/RECORD",
        "site-packages/beta_parts-2.1.dist-info/WHEEL",
    ]
    assert (layer / "env.launch" / "PYTHONPATH.prepend").read_text("utf-8") == str(layer / "site-packages")
    assert (layer / "bin" / "alpha").read_text("utf-8").startswith("#!/usr/bin/python3\n")


def test_bytecode_of_packages_and_application_is_never_stale_and_names_no_build_folder(application: Lifecycle) -> None:
    application.build("python")

    files = [*application.layers.rglob("*.pyc"), *application.app.rglob("*.pyc")]
    assert Path(importlib.util.cache_from_source(str(application.app / "shop" / "__main__.py"))) in files
    assert {file.read_bytes()[4:8] for file in files} == {UNCHECKED_HASH}
    assert [file for file in files if str(application.app.parent).encode() in file.read_bytes()] == []


def test_two_builds_are_the_same_to_the_byte(application: Lifecycle) -> None:
    application.build("python")
    first = _tree(application.layers), _tree(application.app)
    application.export()
    for file in application.layers.iterdir():
        file.unlink()

    application.build("python")

    assert (_tree(application.layers), _tree(application.app)) == first


def test_an_unchanged_lock_takes_the_packages_from_the_previous_image(application: Lifecycle) -> None:
    application.build("python")
    declared = application.toml("packages.toml")
    application.export()
    application.write({"shop/other.py": "changed = True\n"})

    result = application.build("python")

    assert "  Packages: taken from the previous image, as neither lock nor Python changed\n" in result.output
    assert application.toml("packages.toml") == declared
    assert not (application.layers / "packages").exists()
    assert (application.layers / "packages.sbom.cdx.json").is_file()


@pytest.mark.parametrize("change", ["lock", "prune", "target", "bill of materials lost"])
def test_what_the_packages_depend_on_makes_them_installed_again(application: Lifecycle, change: str) -> None:
    application.build("python")
    application.export()
    if change == "lock":
        application.write({"requirements.txt": (application.app / "requirements.txt").read_text("utf-8") + "# again\n"})
    elif change == "prune":
        application.set(BP_NEXUS_PRUNE="*/tests")
    elif change == "target":
        application.target["CNB_TARGET_DISTRO_VERSION"] = "14"
    else:
        (application.layers / "packages.sbom.cdx.json").unlink()

    result = application.build("python")

    assert "  Packages: 2 distributions installed\n" in result.output
    assert (application.layers / "packages" / "site-packages" / "alpha").is_dir()


def test_a_changed_installer_makes_the_packages_installed_again(application: Lifecycle, tmp_path: Path) -> None:
    changed = tmp_path / "changed"
    shutil.copytree(BUILDPACKS / "python", changed, ignore=shutil.ignore_patterns("tests", "*_cache"))
    with (changed / "lib" / "nexus_python" / "tidy.py").open("a", encoding="utf-8") as stream:
        stream.write("# changed\n")
    application.build("python")
    application.export()

    result = application.build("python", changed)

    assert "  Packages: 2 distributions installed\n" in result.output
    assert result.status == 0


def test_the_bill_of_materials_lists_the_distributions(application: Lifecycle) -> None:
    application.build("python")

    bill = json.loads((application.layers / "packages.sbom.cdx.json").read_text("utf-8"))
    assert bill == {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"tools": {"components": [{"type": "application", "name": "nexus/python", "version": "0.1.0"}]}},
        "components": [
            {
                "bom-ref": "pkg:pypi/alpha@1.0",
                "type": "library",
                "name": "alpha",
                "version": "1.0",
                "purl": "pkg:pypi/alpha@1.0",
                "description": "The first letter",
                "licenses": [{"expression": "MIT"}],
            },
            {
                "bom-ref": "pkg:pypi/beta-parts@2.1",
                "type": "library",
                "name": "beta-parts",
                "version": "2.1",
                "purl": "pkg:pypi/beta-parts@2.1",
            },
        ],
    }


def test_several_locks_and_folders_with_wheels_are_used(application: Lifecycle) -> None:
    vendor = application.app / "vendor"
    vendor.mkdir()
    wheel = write_wheel(vendor, "gamma", "0.3", {"gamma.py": "", "vendored.py": ""})
    application.write({"requirements-vendor.txt": lock_line(wheel)})
    application.set(BP_PIP_REQUIREMENT="requirements.txt requirements-vendor.txt", BP_PIP_FIND_LINKS="vendor")

    result = application.build("python")

    assert "  Packages: 3 distributions installed\n" in result.output
    assert len(application.toml("packages.toml")["metadata"]["locks"]) == 2


def test_an_empty_lock_is_an_application_without_dependencies(application: Lifecycle) -> None:
    application.write({"requirements.txt": "# nothing\n"})

    result = application.build("python")

    assert "  Packages: 0 distributions installed\n" in result.output
    assert result.status == 0


def test_variables_that_are_gone_leave_no_layer(application: Lifecycle) -> None:
    application.set(BPE_COLOUR="red")
    application.build("python")
    application.export()
    (application.platform / "env" / "BPE_COLOUR").unlink()

    application.build("python")

    assert not (application.layers / "variables.toml").exists()


def test_records_list_just_the_files_that_are_there(application: Lifecycle) -> None:
    application.set(BP_NEXUS_PRUNE="*/tests")
    application.build("python")

    site_packages = application.layers / "packages" / "site-packages"
    record = (site_packages / "alpha-1.0.dist-info" / "RECORD").read_text("utf-8")
    names = [line.partition(",")[0] for line in record.splitlines()]
    assert names == [
        "../bin/alpha",
        "../bin/alpha-python",
        "alpha-1.0.dist-info/METADATA",
        "alpha-1.0.dist-info/RECORD",
        "alpha-1.0.dist-info/WHEEL",
        "alpha-1.0.dist-info/entry_points.txt",
        "alpha/__init__.py",
    ]


@pytest.mark.parametrize(
    ("files", "status"),
    [
        ({"requirements.txt": ""}, 0),
        ({"pyproject.toml": ""}, 0),
        ({"main.py": ""}, 0),
        ({"package.json": "{}", "Procfile": "web: node server.js\n"}, 100),
    ],
)
def test_it_takes_part_in_python_applications_only(lifecycle: Lifecycle, files: dict[str, str], status: int) -> None:
    lifecycle.write(files)

    result = lifecycle.detect("python")

    signs = "requirements.txt, pyproject.toml, Pipfile, setup.py, *.py"
    assert result.output == ("" if status == 0 else f"nexus/python takes no part: there is none of {signs}\n")
    assert result.status == status


def test_a_named_lock_makes_a_python_application(lifecycle: Lifecycle) -> None:
    lifecycle.set(BP_PIP_REQUIREMENT="locks/production.txt")

    assert lifecycle.detect("python").status == 0
