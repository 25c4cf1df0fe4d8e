"""A lock that cannot be right: both paths refuse it with the same words, and the image from before stays as it is."""

import re
from hashlib import sha256
from pathlib import Path

import pytest
from harness import engine
from harness.builds import dockerfile_build, message, pack_build
from harness.clone import Outcome

from nexusctl import docker
from nexusctl.workspace import STATE, Service, load

WHEELS = STATE / "wheels" / "apps"
WRONG = "0" * 64
PIN = re.compile(r"^(?P<pin>anyio==\S+) \\\n(?P<hashes>(?: +--hash=\S+(?: \\)?\n)+)", re.MULTILINE)


def build(image: str, app: Service, tree: Path, build_path: str) -> Outcome:
    if build_path == "pack":
        return pack_build(image, tree / "apps" / app.name)
    return dockerfile_build(image, app.name, tree)


@pytest.fixture
def former(smallest: Service, tag: str, scratch_image: str) -> str | None:
    """Give the image a content that a failed build must leave alone; return its id."""
    engine.docker("tag", f"{smallest.image}:{tag}", scratch_image)
    return docker.image_id(scratch_image)


def refused(outcome: Outcome, former: str | None, image: str) -> str:
    """Return the message of a build that has failed and changed nothing."""
    assert outcome.status != 0, outcome.out
    assert docker.image_id(image) == former
    return message(outcome.out + outcome.err)


def wheel_hash(hashes: str) -> str:
    """Return the hash that the wheelhouse's own file has, of those that a lock names."""
    (wheel,) = (path for path in WHEELS.glob("anyio-*.whl"))
    found = sha256(wheel.read_bytes()).hexdigest()
    assert found in hashes
    return found


def test_wheel_with_the_wrong_hash(
    smallest: Service, tree: Path, build_path: str, former: str | None, scratch_image: str
) -> None:
    lock = tree / "apps" / smallest.name / "requirements.txt"
    match = PIN.search(lock.read_text())
    assert match
    lock.write_text(PIN.sub(f"{match['pin']} \\\n    --hash=sha256:{WRONG}\n", lock.read_text(), count=1))
    found = wheel_hash(match["hashes"])
    outcome = build(scratch_image, smallest, tree, build_path)
    assert refused(outcome, former, scratch_image) == (
        "ERROR: A wheel is not the file that was locked\n"
        "\n"
        "What happened\n"
        "  A wheel's hash is none of those in the lock, so it was refused.\n"
        "\n"
        "What was found\n"
        f"  {match['pin']}\n"
        f"    locked {WRONG}\n"
        f"    found  {found}\n"
        "\n"
        "What to do\n"
        "  If you replaced the wheel on purpose, lock again. If not, it was changed or damaged on its way: fetch it\n"
        "  again from its source and find out who replaced it before you build."
    )


def test_lock_for_another_python(
    smallest: Service, tree: Path, build_path: str, former: str | None, scratch_image: str
) -> None:
    lock = tree / "apps" / smallest.name / "requirements.txt"
    asked = "uv pip compile pyproject.toml --python-version {} --generate-hashes -o requirements.txt"
    header = f"#    {asked.format('3.12')}"
    lines = lock.read_text().splitlines(keepends=True)
    lock.write_text("".join([lines[0], f"{header}\n", *lines[2:]]))
    outcome = build(scratch_image, smallest, tree, build_path)
    assert refused(outcome, former, scratch_image) == (
        "ERROR: requirements.txt was made for another Python\n"
        "\n"
        "What happened\n"
        f"  This builder has Python {load().python}; a lock made for another Python pins other distributions.\n"
        "\n"
        "What was found\n"
        f"  requirements.txt says: {header}\n"
        "\n"
        "What to do\n"
        f"  Lock again for Python {load().python}:\n"
        f"    {asked.format(load().python)}"
    )
