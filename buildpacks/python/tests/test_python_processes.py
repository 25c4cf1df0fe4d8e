"""The programs that stand in for the launcher's links in images of the Dockerfiles."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from lifecycle import BUILDPACKS, Result

EPOCH = 315532801


@pytest.fixture
def app(tmp_path: Path) -> Path:
    folder = tmp_path / "app"
    folder.mkdir()
    (folder / "Procfile").write_text(
        "web: python3 -m shop\nrelay: python3 -c 'import sys; print(sys.argv[1:])' \"a b\"\n"
    )
    return folder


def write(app: Path, target: Path) -> Result:
    environ = {"PYTHONPATH": str(BUILDPACKS / "python" / "lib"), "SOURCE_DATE_EPOCH": str(EPOCH)}
    done = subprocess.run(
        [sys.executable, "-m", "nexus_python.processes", app, target],
        env={**environ, "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return Result(done.returncode, done.stdout)


def test_each_process_is_a_program_dated_like_all_else(app: Path, tmp_path: Path) -> None:
    target = tmp_path / "cnb"

    assert write(app, target) == Result(0, "")

    found = {str(path.relative_to(target)): path.stat() for path in [target, *target.rglob("*")]}
    assert {name: f"{stat.st_mode & 0o777:o}" for name, stat in found.items()} == {
        ".": "755",
        "process": "755",
        "process/web": "755",
        "process/relay": "755",
    }
    assert {stat.st_mtime for stat in found.values()} == {EPOCH}


def test_a_program_becomes_its_process_with_further_arguments_at_the_end(app: Path, tmp_path: Path) -> None:
    write(app, tmp_path / "cnb")

    done = subprocess.run([tmp_path / "cnb" / "process" / "relay", "c"], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout, done.stderr) == (0, "['a b', 'c']\n", "")


def test_a_process_sees_the_environment_that_its_program_was_started_with(app: Path, tmp_path: Path) -> None:
    (app / "Procfile").write_text("web: python3 -c 'import os; print(os.environ[\"PYTHONPATH\"])'\n")
    write(app, tmp_path / "cnb")

    done = subprocess.run(
        [tmp_path / "cnb" / "process" / "web"],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": "/packages"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.stdout, done.stderr) == ("/packages\n", "")


def test_a_procfile_that_cannot_be_used_ends_the_build(app: Path, tmp_path: Path) -> None:
    (app / "Procfile").write_text("relay: python3 -m shop\n")

    result = write(app, tmp_path / "cnb")

    assert result.status == 1
    assert "ERROR: " in result.output
    assert not (tmp_path / "cnb").exists()
