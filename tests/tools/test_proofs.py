"""Proofs are skipped while nothing they depend on has changed, and only those that have passed; figures keep promises."""

import sys
from pathlib import Path

import pytest
from harness.clone import Outcome, run
from harness.figures import Figure, Figures

from nexusctl import report
from nexusctl.console import out
from nexusctl.report import UNCHANGED, Part
from nexusctl.workspace import ROOT

CONFTEST = """
from pathlib import Path

from harness import figures, proofs
from nexusctl import build_cache

proofs.ROOT = build_cache.ROOT = Path(__file__).parent
build_cache._FOLDER = build_cache.ROOT / "build-cache"


def pytest_addoption(parser):
    proofs.add_options(parser)


def pytest_configure(config):
    config.stash[figures.FIGURES] = figures.Figures()
    proofs.configure(config)
"""
TESTS = """
from pathlib import Path

import pytest

INPUT = Path(__file__).with_name("input")


@pytest.mark.proof(name="long", inputs=("input",))
@pytest.mark.parametrize("number", range(2))
def test_long(number):
    if INPUT.read_text() == "away":
        pytest.skip("there is nothing to prove")
    assert number == 0 or INPUT.read_text() == "good"


def test_short():
    pass
"""
LONG = Part("test_small.py", passed=2)
SKIPPED = Part("proof long", reason=UNCHANGED)


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A folder with a proof and another test."""
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_small.py").write_text(TESTS)
    (tmp_path / "input").write_text("good")
    return tmp_path


def pytest_in(folder: Path, *options: str) -> Outcome:
    search = {"PYTHONPATH": f"{ROOT / 'tools'}:{ROOT / 'tests'}", "PYTHONDONTWRITEBYTECODE": "1"}
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        folder,
        *options,
        folder,
    ]
    return run(command, folder, search)


def parts(folder: Path, *options: str) -> list[Part]:
    """Return what a run has written of its parts, without seconds."""
    pytest_in(folder, f"--parts={folder / 'parts.json'}", *options)
    return [Part(**{**part.__dict__, "seconds": 0}) for part in report.read(folder / "parts.json")]


def test_without_options_everything_runs_and_nothing_is_recorded(small: Path) -> None:
    assert "3 passed" in pytest_in(small).out
    assert not (small / "build-cache").exists()


def test_make_test_leaves_proofs_out(small: Path) -> None:
    assert parts(small, "--no-proofs") == [Part("test_small.py", passed=1)]


def test_proof_is_skipped_until_an_input_changes(small: Path) -> None:
    assert parts(small, "--prove") == [LONG]
    assert parts(small, "--prove") == [SKIPPED]
    assert pytest_in(small, "--prove").status == 0
    (small / "input").chmod(0o755)
    assert parts(small, "--prove") == [LONG]
    with (small / "test_small.py").open("a") as stream:
        stream.write("# another comment\n")
    assert parts(small, "--prove") == [LONG]
    assert parts(small, "--prove") == [SKIPPED]


def test_proof_that_failed_is_brought_again(small: Path) -> None:
    (small / "input").write_text("bad")
    failed = [Part("test_small.py", passed=1, failed=1)]
    assert parts(small, "--prove") == failed
    assert parts(small, "--prove") == failed


def test_proof_whose_tests_were_skipped_is_not_recorded(small: Path) -> None:
    (small / "input").write_text("away")
    skipped = [Part("test_small.py", skipped=2, reason="there is nothing to prove")]
    assert parts(small, "--prove") == skipped
    assert parts(small, "--prove") == skipped


def test_proof_of_which_one_test_was_chosen_is_not_recorded(small: Path) -> None:
    assert parts(small, "--prove", "-k", "long and 0") == [Part("test_small.py", passed=1)]
    assert parts(small, "--prove") == [LONG]


def test_table_ends_with_the_counts() -> None:
    found = [Part("lint", 4.2, passed=1), Part("a", 61.26, 3, 1, 2, figure="size: 5 MB (<= 6 MB)"), SKIPPED]
    with out.capture() as printed:
        assert not report.show("make test", found, 65.46)
    assert printed.get() == (
        "make test   seconds  outcome                                                          figure\n"
        "lint            4.2  1 passed\n"
        "a              61.3  1 failed, 3 passed, 2 skipped                                    size: 5 MB (<= 6 MB)\n"
        "proof long      0.0  skipped: nothing that it depends on has changed since it passed\n"
        "4 passed, 1 failed, 2 skipped in 65.5 s\n"
    )


def test_figure_within_the_noise_passes_and_one_beyond_fails() -> None:
    figures = Figures(part="test_a.py")
    figures.seconds("start", 2.9, 1)
    figures.at_most("size", 9, 10, "MB")
    figures.at_least("right", 36, 35)
    figures.note("build", "3 s")
    with pytest.raises(AssertionError):
        figures.seconds("start", 3.1, 1)
    with pytest.raises(AssertionError):
        figures.at_most("size", 10.1, 10, "MB")
    with pytest.raises(AssertionError):
        figures.at_least("right", 34, 35)
    assert figures.rows["test_a.py"][:4] == [
        Figure("start", "<= 1 s", "2.9 s", 2.9),
        Figure("size", "<= 10 MB", "9 MB", 0.9),
        Figure("right", ">= 35", "36", 35 / 36),
        Figure("build", "", "3 s"),
    ]
    assert figures.tightest("test_a.py") == "start: 3.1 s (<= 1 s)"
    assert figures.tightest("test_b.py") == ""
