"""`nexusctl lock`: a change of the chassis's code alone replaces its line in each lock, at once and without an index."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from harness.clone import Outcome, clone, edit, nexusctl, run

from nexusctl import wheels
from nexusctl.workspace import ROOT, load

APPS = [app.name for app in load().apps]
LOCKS = [str(path.relative_to(ROOT)) for path in wheels.app_locks()]
NAMES = [Path(lock).parent.name for lock in LOCKS]
OFFLINE = {"UV_OFFLINE": "1"}
CHASSIS = Path("libs", "chassis")
ENTRY = re.compile(r"^nexus-chassis==(\S+) \\\n    --hash=sha256:([0-9a-f]{64})$", re.MULTILINE)


def locks(tree: Path) -> dict[str, str]:
    """Return the text of every lock of a tree."""
    places = [*(tree / lock for lock in LOCKS), tree / "tests" / "requirements.txt"]
    places += [*(tree / "tools").glob("*requirements.txt"), *(tree / "buildpacks").glob("*/*/requirements.txt")]
    return {str(path.relative_to(tree)): path.read_text() for path in places}


def change_code(tree: Path) -> None:
    with (tree / CHASSIS / "src" / "nexus_chassis" / "__init__.py").open("a") as stream:
        stream.write("# changed\n")


def titles(outcome: Outcome) -> list[str]:
    """Return what a successful command did, step by step."""
    assert outcome.status == 0, outcome.err
    return re.findall(r"^✓ (.+) \d+\.\d s$", outcome.out, re.MULTILINE)


@pytest.fixture
def locked(tmp_path: Path) -> Path:
    """A clone whose locks are up to date, that of the tests too."""
    tree = clone(tmp_path / "nexus", with_tests=True)
    outcome = nexusctl(tree, "lock")
    assert outcome.status == 0, outcome.err
    return tree


def test_locks_that_are_up_to_date_stay_as_they_are(locked: Path) -> None:
    before = locks(locked)
    assert nexusctl(locked, "lock", env=OFFLINE) == Outcome(0, "All locks are up to date.\n", "")
    assert locks(locked) == before


def test_changed_code_of_the_chassis_replaces_its_entry_and_nothing_else(locked: Path) -> None:
    before = locks(locked)
    change_code(locked)
    assert titles(nexusctl(locked, "lock", env=OFFLINE)) == [
        "chassis wheel",
        *(f"chassis in the lock of {name}" for name in NAMES),
    ]
    after = locks(locked)
    assert {name for name in after if after[name] != before[name]} == set(LOCKS)
    assert {name: ENTRY.sub("", text) for name, text in after.items()} == {
        name: ENTRY.sub("", text) for name, text in before.items()
    }
    (wheel,) = (locked / ".nexus" / "wheels" / "internal").iterdir()
    version = wheel.name.split("-")[1]
    assert re.fullmatch(rf"{re.escape(load().version)}\+c[0-9a-f]{{8}}", version)
    assert {match[1] for text in after.values() for match in ENTRY.finditer(text)} == {version}


def test_the_replaced_entry_is_what_the_resolver_writes(locked: Path) -> None:
    change_code(locked)
    nexusctl(locked, "lock")
    lock = locked / "apps" / APPS[0] / "requirements.txt"
    replaced = lock.read_text()
    lock.write_text(re.sub(r"^# inputs: .*\n", "", replaced, flags=re.MULTILINE))
    assert titles(nexusctl(locked, "lock")) == [f"lock {APPS[0]}"]
    assert lock.read_text() == replaced


def test_a_new_dependency_of_the_chassis_is_resolved_for_every_app(locked: Path) -> None:
    edit(
        locked / CHASSIS / "pyproject.toml",
        'dependencies = [\n  "aiohttp',
        'dependencies = [\n  "tomli-w",\n  "aiohttp',
    )
    assert titles(nexusctl(locked, "lock"))[: len(NAMES) + 1] == ["chassis wheel", *(f"lock {name}" for name in NAMES)]
    for lock in LOCKS:
        assert re.search(r"^tomli-w==", (locked / lock).read_text(), re.MULTILINE)


def test_a_flavour_has_the_versions_of_the_apps() -> None:
    of_apps = {pin for app in load().apps for pin in wheels.pins(app.folder / "requirements.txt")}
    of_flavours = {
        pin for flavour in load().flavours if flavour.folder for pin in wheels.pins(flavour.folder / "requirements.txt")
    }
    assert {pin for pin in of_flavours if pin[0] != "nexus-chassis"} <= of_apps


def test_settings_of_other_tools_in_a_pyproject_toml_do_not_make_a_lock_stale(locked: Path) -> None:
    with (locked / "apps" / APPS[0] / "pyproject.toml").open("a") as stream:
        stream.write("\n[tool.other]\nline-length = 100\n")
    assert nexusctl(locked, "lock", env=OFFLINE).out == "All locks are up to date.\n"


def test_chassis_without_a_version_that_can_be_completed(tree: Path) -> None:
    edit(tree / CHASSIS / "pyproject.toml", f'version = "{load().version}"', f'version = "{load().version}+x"')
    outcome = nexusctl(tree, "lock")
    assert outcome.err == (
        "nexusctl: the chassis has no version that can be completed\n"
        '  found: 0 lines of the form `version = "1.2.3"` in libs/chassis/pyproject.toml\n'
        "  to do: write one such line\n"
    )


def test_pip_replaces_an_installed_chassis_of_other_content(locked: Path, tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    install(locked, tmp_path / "venv")
    assert "# changed" not in installed(tmp_path / "venv")
    change_code(locked)
    assert nexusctl(locked, "lock", env=OFFLINE).status == 0
    install(locked, tmp_path / "venv")
    assert "# changed" in installed(tmp_path / "venv")


def install(tree: Path, environment: Path) -> None:
    """Install the chassis as a lock names it, without removing anything first."""
    entry = ENTRY.search((tree / "apps" / APPS[0] / "requirements.txt").read_text())
    assert entry
    lock = environment.with_name("lock.txt")
    lock.write_text(f"{entry[0]}\n")
    folder = tree / ".nexus" / "wheels" / "internal"
    # The host's own Python may be older than that of the images.
    options = ["--quiet", "--no-deps", "--no-index", "--ignore-requires-python", "--find-links", str(folder)]
    pip = [sys.executable, "-m", "pip", "--python", str(environment), "install", *options]
    assert run([*pip, "--require-hashes", "-r", lock], tree) == Outcome(0, "", "")


def installed(environment: Path) -> str:
    (module,) = environment.glob("lib/*/site-packages/nexus_chassis/__init__.py")
    return module.read_text()
