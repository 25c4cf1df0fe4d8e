"""`make unit`: one test by name in seconds, nothing is left of the stores, and checkouts do not share them."""

import sys
import time
from pathlib import Path

from harness import engine
from harness.clone import Outcome, nexusctl, run
from harness.figures import Figures

from nexusctl import unit_stores, unit_tests
from nexusctl.workspace import ROOT

MAX_SECONDS = 15
BY_NAME = ("unit", "testkit", "--args", "-k redis_database_is_empty")


def test_one_test_by_name(figures: Figures) -> None:
    warm = nexusctl(ROOT, *BY_NAME)
    assert warm.status == 0, warm.out + warm.err
    started = time.monotonic()
    outcome = nexusctl(ROOT, *BY_NAME)
    figures.seconds("one unit test by name", time.monotonic() - started, MAX_SECONDS)
    assert (outcome.status, outcome.err) == (0, "")
    assert outcome.out.splitlines()[-1].startswith("3 passed, 0 failed, 0 skipped in ")
    assert engine.docker("ps", "--all", "--quiet", "--filter", f"name={unit_stores.NETWORK}") == ""
    assert engine.docker("network", "ls", "--quiet", "--filter", f"name={unit_stores.NETWORK}") == ""


def test_name_that_no_test_has() -> None:
    outcome = nexusctl(ROOT, "unit", "testkit", "--args", "-k no_such_test")
    assert outcome.status == 1
    assert outcome.err == (
        "nexusctl: no test was run\n"
        "  found: pytest was given `-k no_such_test`\n"
        "  to do: check the name; `-k` takes a part of it\n"
    )


def test_suite_that_does_not_exist() -> None:
    known = ", ".join(suite.name for suite in unit_tests.suites())
    assert nexusctl(ROOT, "unit", "gateway") == Outcome(
        1, "", f"nexusctl: no such suite of unit tests\n  found: gateway\n  to do: use one of: {known}\n"
    )


def test_another_checkout_has_stores_of_its_own(tree: Path) -> None:
    program = [sys.executable, "-c", "from nexusctl import unit_stores; print(unit_stores.NETWORK)"]
    names = [run(program, folder, {"PYTHONPATH": str(folder / "tools")}).out for folder in (ROOT, tree)]
    assert names[0].startswith("nexus-unit-")
    assert names[1].startswith("nexus-unit-")
    assert names[0] != names[1]
