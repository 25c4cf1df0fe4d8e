"""Failures of the lock and of its installation; what errors.py says of its functions holds here too."""

import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from nexus_python.errors import LISTED, BuildError, list_folder, shorten

# The lock


_COMPILE = "uv pip compile pyproject.toml --python-version {python} --generate-hashes -o {name}"
# Files that hold a lock of another form, and what makes a requirements file with hashes of each.
_EXPORTS = {
    "uv.lock": "uv export --frozen --no-dev --no-emit-project --format requirements-txt -o {name}",
    "poetry.lock": "poetry export --format requirements.txt -o {name}",
    "pdm.lock": "pdm export --prod --format requirements -o {name}",
    "Pipfile.lock": "pipenv requirements --hash > {name}",
}
_LINE_LENGTH = 200


def missing_lock(app: Path, name: str, python: tuple[int, int]) -> BuildError:
    """Name a lock file that BP_PIP_REQUIREMENT or the default asks for and that isn't there."""
    other = next((lock for lock in _EXPORTS if (app / lock).is_file()), None)
    source = f"Export {name} from {other}" if other else f"Make {name} from your dependencies, for example"
    command = _EXPORTS.get(other or "", _COMPILE).format(name=name, python=_version(python))
    return BuildError(
        f"There is no lock file {name}",
        happened="Packages are installed from a lock file with pinned versions and hashes, and it is missing.",
        found=["the application's folder holds:", *(f"  {entry}" for entry in list_folder(app))],
        todo=(
            f"{source}\n"
            f"  {command}\n"
            "and commit it. An application without dependencies has an empty one. If it exists, check that project.toml\n"
            "doesn't exclude it. If it has another name, put that into BP_PIP_REQUIREMENT."
        ),
    )


def _version(python: tuple[int, int]) -> str:
    return ".".join(map(str, python))


def _cut(line: str) -> str:
    """Return a line without what is beyond a readable length; a line with all hashes of a package is long."""
    line = re.sub(r" {2,}", " ", line)
    return line if len(line) <= _LINE_LENGTH else f"{line[:_LINE_LENGTH]}..."


def unhashed_lock_line(name: str, number: int, line: str, reason: str) -> BuildError:
    """Show a lock line that pip could not verify."""
    return BuildError(
        f"{name} line {number} cannot be installed safely",
        happened=f"A line of the lock is refused: {reason}.",
        found=f"line {number}: {_cut(line)}",
        todo=(
            "Correct the line or lock again, so that each line reads name==version --hash=sha256:...:\n"
            "  uv pip compile pyproject.toml --python-version 3.13 --generate-hashes -o requirements.txt"
        ),
    )


def option_in_lock(name: str, number: int, line: str) -> BuildError:
    """Show a lock line that is an option for pip."""
    return BuildError(
        f"{name} line {number} is an option of pip",
        happened="A lock may contain only distributions: options would point pip at other files or at a network.",
        found=f"line {number}: {_cut(line)}",
        todo=(
            "Remove the line. Name further lock files in BP_PIP_REQUIREMENT (separated by spaces), and folders with wheels in\n"
            "BP_PIP_FIND_LINKS."
        ),
    )


def lock_for_another_python(name: str, header: str, python: tuple[int, int]) -> BuildError:
    """Show the header line of a lock that was made for another Python."""
    version = _version(python)
    return BuildError(
        f"{name} was made for another Python",
        happened=f"This builder has Python {version}; a lock made for another Python pins other distributions.",
        found=f"{name} says: {header}",
        todo=(f"Lock again for Python {version}:\n  {_COMPILE.format(python=version, name=name)}"),
    )


def coding_in_lock(name: str, coding: str) -> BuildError:
    """Say that a lock declares an encoding by which pip would read it differently."""
    return BuildError(
        f"{name} declares the encoding {coding}",
        happened="A lock is read as UTF-8. pip would follow the declaration and could read other lines than those checked.",
        found=f"{name} has `coding: {coding}` in a comment of its first two lines",
        todo="Save the file as UTF-8 and remove the declaration.",
    )


def conflicting_pins(name: str, pins: Sequence[tuple[str, str]]) -> BuildError:
    """Show a distribution that the locks pin to several versions: for each the lock's name and the version."""
    return BuildError(
        f"{name} is pinned to several versions",
        happened="An image can hold one version of a distribution, and the locks name several for this Python.",
        found=[f"{lock}: {name}=={version}" for lock, version in pins],
        todo="Keep one of them. Locks that are used together must be made together, each with the others as --constraint.",
    )


# Installing


def target_not_empty(target: Path) -> BuildError:
    """Say that the folder to install into holds something already."""
    return BuildError(
        "The target folder is not empty",
        happened="Packages are installed into a fresh folder, so that nothing of an earlier install stays behind.",
        found=[f"{target} holds:", *(f"  {entry}" for entry in list_folder(target))],
        todo="Remove the folder, or name another --target.",
    )


def hash_mismatch(mismatches: Sequence[tuple[str, Sequence[str], str]]) -> BuildError:
    """Show wheels whose contents are not those that were locked: each with the locked digests and the one found."""
    found = [
        line
        for name, locked, got in mismatches
        for line in (name, *(f"  locked {d}" for d in locked), f"  found  {got}")
    ]
    return BuildError(
        "A wheel is not the file that was locked",
        happened="A wheel's hash is none of those in the lock, so it was refused.",
        found=found,
        todo=(
            "If you replaced the wheel on purpose, lock again. If not, it was changed or damaged on its way: fetch it\n"
            "again from its source and find out who replaced it before you build."
        ),
    )


def wheel_absent(requirement: str, others: Sequence[str], folders: Sequence[str]) -> BuildError:
    """Name a distribution that no folder with wheels has in the locked version."""
    return BuildError(
        f"There is no wheel for {requirement}",
        happened="Packages are installed only from folders with wheels, and none of them has this version.",
        found=[
            f"searched: {', '.join(folders) or 'no folder at all'}",
            *shorten([f"other version: {name}" for name in others]),
        ],
        todo=(
            "Fetch the locked wheels and make the builder again (make builder), or lock again, or put the wheel into a\n"
            "folder of the application that BP_PIP_FIND_LINKS names."
        ),
    )


def only_source(requirement: str, files: Sequence[str]) -> BuildError:
    """Name a distribution that is available as source only."""
    return BuildError(
        f"{requirement} is available as source only",
        happened="Nothing is compiled during a build, so each distribution must be available as a wheel.",
        found=shorten(files),
        todo=(
            "Build a wheel from the source for this Python and platform (pip wheel --no-deps), put it beside the other wheels\n"
            "and add its hash to the lock, or choose a version that is published as a wheel."
        ),
    )


def wheels_for_another_python(requirement: str, files: Sequence[str], python: str) -> BuildError:
    """Name a distribution whose wheels are made for other Pythons or platforms."""
    return BuildError(
        f"No wheel of {requirement} fits this Python",
        happened=f"This builder has {python}; the wheels of this distribution are made for others.",
        found=shorten(files),
        todo=(
            "Fetch the wheel for this Python and platform and make the builder again (make builder), or choose a version\n"
            "that has one. Wheels are fetched for the Python that the root project.toml names."
        ),
    )


def not_installed(missing: Sequence[str], folder: Path) -> BuildError:
    """Name locked distributions that pip left out without an error."""
    return BuildError(
        "Locked packages are not installed",
        happened="pip exited without an error, but did not install everything that the lock names for this Python.",
        found=[*(f"missing: {pin}" for pin in shorten(missing)), f"searched: {folder}"],
        todo=(
            "Remove settings of pip that keep it from installing (variables PIP_*, such as PIP_DRY_RUN, or the build image's\n"
            "pip.conf), then build again. If there are none, report it with the lock."
        ),
    )


def pip_failed(status: int, output: str) -> BuildError:
    """Show the end of pip's own output after a failure that has no explanation of its own."""
    tail = [line for line in output.splitlines() if line.strip()][-LISTED:]
    return BuildError(
        "pip failed",
        happened=f"pip exited with status {status}, for a reason that this buildpack does not recognize.",
        found=["pip's last lines:", *(f"  {line}" for line in tail)],
        todo=(
            "Read pip's lines above. If they name a damaged wheel, fetch it again and make the builder again (make builder).\n"
            "If pip itself crashed, build again; if it crashes again, report it with these lines."
        ),
    )


def disk_full(path: Path) -> BuildError:
    """Say which disk is full, and how full it is."""
    usage = shutil.disk_usage(path if path.exists() else path.parent)
    mebibytes = [f"{size // 2**20} MiB" for size in (usage.free, usage.total)]
    return BuildError(
        "The disk is full",
        happened="There was no space left to write the packages; the image was not changed.",
        found=f"{mebibytes[0]} of {mebibytes[1]} are free on the file system of {path}, after half-written files were removed",
        todo="Make space (docker system df shows what Docker holds, docker image prune removes unused images), then build again.",
    )
