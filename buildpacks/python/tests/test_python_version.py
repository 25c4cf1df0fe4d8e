"""Files of the application that say which Python it needs. The builder's is 3.13."""

import platform
import sys
from pathlib import Path

import pytest
from nexus_python.errors import BuildError
from nexus_python.install import main
from nexus_python.python_version import check_constraint, check_files

THIS = platform.python_version()
NEXT_PATCH = f"{sys.version_info.major}.{sys.version_info.minor}.{sys.version_info.micro + 1}"
REQUIRES = '[project]\nname = "shop"\nversion = "1"\nrequires-python = "{}"\n'
POETRY = '[tool.poetry.dependencies]\npython = "{}"\n'
PIPFILE = '[requires]\npython_version = "{}"\n'


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (".python-version", "3.13\n"),
        (".python-version", f"{THIS}\n"),
        (".python-version", "# tools read this\n\n3.13  # not 3.12\n3.12\n"),
        (".python-version", "cpython@3.13\r\n"),
        (".python-version", ">=3.12\n"),
        (".python-version", "system\n"),
        (".python-version", ""),
        ("runtime.txt", f"python-{THIS}\n"),
        ("runtime.txt", "python-3.13.x\n"),
        ("pyproject.toml", REQUIRES.format(">=3.11,<3.15")),
        ("pyproject.toml", REQUIRES.format("~=3.13")),
        ("pyproject.toml", REQUIRES.format("==3.13.*")),
        ("pyproject.toml", "[tool.ruff]\n"),
        ("pyproject.toml", POETRY.format("^3.12")),
        ("Pipfile", PIPFILE.format("3.13")),
        ("Pipfile", "[packages]\n"),
    ],
)
def test_files_that_ask_for_this_python_are_accepted(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text, "utf-8")

    check_files(tmp_path)


@pytest.mark.parametrize(
    ("name", "text", "wanted"),
    [
        (".python-version", "3.12\n", "3.12"),
        (".python-version", "3.12.1\n3.13\n", "3.12.1"),
        (".python-version", f"{NEXT_PATCH}\n", NEXT_PATCH),
        (".python-version", "pypy3.10-7.3.12\n", "pypy3.10-7.3.12"),
        (".python-version", "3.13t\n", "3.13t"),
        (".python-version", "\ufeffpython3.12\n", "python3.12"),
        (".python-version", ">=3.14\n", ">=3.14"),
        ("runtime.txt", "python-3.11.9\n", "python-3.11.9"),
        ("runtime.txt", "python-3.9", "python-3.9"),
        ("pyproject.toml", REQUIRES.format(">=3.14"), "requires-python = >=3.14"),
        ("pyproject.toml", REQUIRES.format("<3.13"), "requires-python = <3.13"),
        ("pyproject.toml", REQUIRES.format("~=3.12.0"), "requires-python = ~=3.12.0"),
        ("pyproject.toml", POETRY.format("~3.12"), "tool.poetry.dependencies.python = ~3.12"),
        ("Pipfile", PIPFILE.format("3.12"), "python_version = 3.12"),
        ("Pipfile", f'[requires]\npython_full_version = "{NEXT_PATCH}"\n', f"python_full_version = {NEXT_PATCH}"),
    ],
)
def test_a_file_that_asks_for_another_python_is_refused_with_both(
    tmp_path: Path, name: str, text: str, wanted: str
) -> None:
    (tmp_path / name).write_text(text, "utf-8")
    with pytest.raises(BuildError) as raised:
        check_files(tmp_path)

    lines = str(raised.value).splitlines()
    assert lines[0] == f"ERROR: {name} asks for another Python"
    assert lines[lines.index("What was found") + 1 :][:2] == [
        f"  {name}: {wanted}",
        f"  this builder has Python {THIS} and no other",
    ]


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("pyproject.toml", "[project\n", "Expected ']' at the end of a table declaration (at line 1, column 9)"),
        ("Pipfile", "[requires\n", "Expected ']' at the end of a table declaration (at line 1, column 10)"),
        ("pyproject.toml", REQUIRES.format("3.13"), "requires-python = 3.13"),
        ("pyproject.toml", "[project]\nrequires-python = 3.13\n", "requires-python is 3.13, not a string"),
    ],
)
def test_a_file_that_cannot_be_understood_is_refused(tmp_path: Path, name: str, text: str, reason: str) -> None:
    (tmp_path / name).write_text(text, "utf-8")

    with pytest.raises(BuildError) as raised:
        check_files(tmp_path)

    assert str(raised.value).splitlines()[0] == f"ERROR: {name} cannot be understood"
    assert f"  {name}: {reason}" in str(raised.value).splitlines()


@pytest.mark.parametrize("constraint", ["", "default", "3.13.*"])
def test_bp_cpython_version_may_leave_the_choice_open(constraint: str) -> None:
    check_constraint(constraint)


def test_the_installer_checks_the_files_of_the_application_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "runtime.txt").write_text("python-3.11.9\n", "utf-8")

    status = main(["--app", str(tmp_path)])

    assert capsys.readouterr().err.startswith("\nERROR: runtime.txt asks for another Python\n")
    assert status == 1
    assert list(tmp_path.iterdir()) == [tmp_path / "runtime.txt"]
