"""The installer as the Dockerfiles call it."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from lifecycle import BUILDPACKS, Lifecycle, Result
from nexus_python.errors import BuildError
from nexus_python.pip_install import explain
from wheels import lock_line, write_wheel

PROJECT = """
[_]
schema-version = "0.2"

[[io.buildpacks.build.env]]
name = "BP_NEXUS_PRUNE"
value = "{}"
"""


def _install(application: Lifecycle, *arguments: str, prefix: tuple[str, ...] = ()) -> Result:
    environ = {
        "PATH": os.defpath,
        "PYTHONPATH": str(BUILDPACKS / "python" / "lib"),
        "PIP_CONFIG_FILE": str(application.pip_conf),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    completed = subprocess.run(
        [*prefix, sys.executable, "-m", "nexus_python.install", *arguments],
        cwd=application.app,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return Result(completed.returncode, completed.stdout)


def _content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _modes(folder: Path) -> dict[str, str]:
    paths = [folder, *folder.rglob("*")]
    return {str(path.relative_to(folder)): f"{path.stat().st_mode & 0o777:o}" for path in paths}


def test_the_command_installs_what_the_buildpack_does(application: Lifecycle, tmp_path: Path) -> None:
    target = tmp_path / "installed"
    application.set(BP_NEXUS_PRUNE="*/tests")
    application.write({"project.toml": PROJECT.format("*/tests")})
    copy = tmp_path / "copy"
    shutil.copytree(application.app, copy)
    application.build("python")

    result = _install(
        application,
        "--requirements",
        "requirements.txt",
        "--target",
        str(target),
        "--project",
        "project.toml",
        "--app",
        str(copy),
    )

    assert result.output == (
        "  Pruned: 0.0 MiB\n"
        "  Note: 1 package file could not be compiled by this Python: beta/template.py\n"
        "  Packages: 2 distributions installed\n"
    )
    assert result.status == 0
    layer = application.layers / "packages"
    assert _content(target / "site-packages") == _content(layer / "site-packages")
    assert _content(target / "bin") == _content(layer / "bin")
    bill = (target / "sbom.cdx.json").read_bytes()
    assert (
        bill == (layer / "sbom.cdx.json").read_bytes() == (application.layers / "packages.sbom.cdx.json").read_bytes()
    )
    assert _content(copy) == _content(application.app)
    assert _modes(copy) == _modes(application.app)


@pytest.mark.parametrize("umask", [0o077, 0o000], ids=["umask 077", "umask 000"])
def test_modes_of_the_application_are_those_that_git_records(application: Lifecycle, umask: int) -> None:
    app = application.app
    application.write({"shop/tool": "#!/usr/bin/python3\n"})
    for path in (app, *app.rglob("*")):
        path.chmod((0o777 if path.is_dir() or path.name == "tool" else 0o666) & ~umask)

    assert _install(application, "--app", str(app)).status == 0

    assert _modes(app) == {
        ".": "755",
        "Procfile": "644",
        "requirements.txt": "644",
        "shop": "755",
        "shop/__init__.py": "644",
        "shop/__main__.py": "644",
        "shop/__pycache__": "755",
        "shop/__pycache__/__init__.cpython-313.pyc": "644",
        "shop/__pycache__/__main__.cpython-313.pyc": "644",
        "shop/tool": "755",
    }


def test_all_files_get_the_date_that_is_asked_for(application: Lifecycle, tmp_path: Path) -> None:
    target = tmp_path / "installed"
    (application.app / "link").symlink_to("absent")
    arguments = ["--requirements", "requirements.txt", "--target", str(target), "--app", str(application.app)]

    assert _install(application, *arguments, "--date", "315532801").status == 0

    paths = [folder for top in (target, application.app) for folder in (top, *top.rglob("*"))]
    assert {path.lstat().st_mtime for path in paths} == {315532801.0}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name --target, --app or both"),
        (["--app", ".", "--target", "new"], "--requirements and --target go together"),
        (["--app", ".", "--date", "today"], "argument --date: invalid int value: 'today'"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(application: Lifecycle, arguments: list[str], message: str) -> None:
    result = _install(application, *arguments)

    assert result.output.endswith(f"python3 -m nexus_python.install: error: {message}\n")
    assert result.status == 2


@pytest.mark.parametrize(
    ("arguments", "title"),
    [
        (["--requirements", "absent.txt", "--target", "new"], "There is no lock file absent.txt"),
        (["--requirements", "requirements.txt", "--target", "shop"], "The target folder is not empty"),
    ],
)
def test_the_command_fails_with_the_buildpacks_messages(
    application: Lifecycle, arguments: list[str], title: str
) -> None:
    result = _install(application, *arguments)

    assert result.output.startswith(f"\nERROR: {title}\n\nWhat happened\n")
    assert result.status == 1


def test_a_disk_that_fills_up_under_pip_is_told_as_such(application: Lifecycle, tmp_path: Path) -> None:
    mount = tmp_path / "small"
    mount.mkdir()
    unshare = (
        "unshare",
        "--map-root-user",
        "--mount",
        "sh",
        "-c",
        f'mount -t tmpfs -o size=1m small {mount} && exec "$@"',
        "sh",
    )
    if subprocess.run([*unshare, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("this container may not mount; `explain` below reads what pip wrote on a full disk")
    wheel = write_wheel(tmp_path, "large", "1.0", {"large.py": "#" * 2**21})
    application.write({"requirements.txt": lock_line(wheel)})
    shutil.copy(wheel, application.app)
    application.pip_conf.write_text(f"[global]\nfind-links = {application.app}\n", "utf-8")

    result = _install(application, "--requirements", "requirements.txt", "--target", str(mount / "new"), prefix=unshare)

    assert result.output == (
        "\nERROR: The disk is full\n\n"
        "What happened\n  There was no space left to write the packages; the image was not changed.\n\n"
        f"What was found\n  1 MiB of 1 MiB are free on the file system of {mount}/new/site-packages, after half-written files were removed\n\n"
        "What to do\n"
        "  Make space (docker system df shows what Docker holds, docker image prune removes unused images), then build again.\n"
    )
    assert result.status == 1


def test_a_crash_of_pip_shows_its_last_lines(tmp_path: Path) -> None:
    lines = [f"line {number}" for number in range(20)]

    error = explain(2, "\n".join(lines), tmp_path)

    assert isinstance(error, BuildError)
    assert str(error).splitlines()[3:18] == [
        "  pip exited with status 2, for a reason that this buildpack does not recognize.",
        "",
        "What was found",
        "  pip's last lines:",
        *(f"    {line}" for line in lines[-12:][:11]),
    ]


PIP_ON_SHA512 = """\
ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.
    alpha==1.0 from file:///wheels/alpha-1.0-py3-none-any.whl (from -r requirements.txt (line 1)):
        Expected sha512 {0}
             Got        {1}
"""


def test_hashes_of_every_kind_that_pip_checks_are_shown(tmp_path: Path) -> None:
    locked, found = "0" * 128, "f" * 128

    error = explain(1, PIP_ON_SHA512.format(locked, found), tmp_path)

    assert str(error).splitlines()[0] == "ERROR: A wheel is not the file that was locked"
    assert str(error).splitlines()[6:9] == ["  alpha==1.0", f"    locked {locked}", f"    found  {found}"]


def test_upper_case_digits_and_sha512_are_installed(application: Lifecycle, tmp_path: Path) -> None:
    wheel = write_wheel(tmp_path, "gamma", "1.0", {"gamma.py": ""})
    digest = hashlib.sha512(wheel.read_bytes()).hexdigest()
    lock = (application.app / "requirements.txt").read_text("utf-8").splitlines()
    upper = [re.sub(r"(?<=sha256:)\w+", lambda match: match[0].upper(), line) for line in lock]
    application.write({"requirements.txt": "\n".join([*upper, f"gamma==1.0 --hash=sha512:{digest}"])})
    application.set(BP_PIP_FIND_LINKS=f"file://{tmp_path}")

    result = application.build("python")

    assert "  Packages: 3 distributions installed\n" in result.output
    assert result.status == 0
