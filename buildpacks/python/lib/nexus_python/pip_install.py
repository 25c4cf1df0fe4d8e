"""Running pip, and finding out why it failed.

pip gets wheels from folders only: no index, no network, no source distributions, no dependencies beyond the lock, and
every file is checked against the lock's hashes.
"""

import os
import re
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Sequence
from importlib.metadata import distributions
from pathlib import Path

from pip._vendor.packaging.specifiers import SpecifierSet

from nexus_python import lock_errors
from nexus_python.errors import BuildError
from nexus_python.lockfile import Lock

_OPTIONS = (
    "--no-index",
    "--no-deps",
    "--require-hashes",
    "--only-binary=:all:",
    "--no-compile",
    "--no-cache-dir",
    "--no-input",
    "--no-warn-script-location",
    "--disable-pip-version-check",
    "--root-user-action=ignore",
    "--progress-bar=off",
    "--no-color",
)
_NO_MATCH = re.compile(r"No matching distribution found for (\S+)==([^\s;]+)")
_MISMATCH = re.compile(
    r"^ {4}(?P<requirement>\S+).*:\n(?P<expected>(?: +Expected .*\n)+) +Got +(?P<got>[0-9a-f]{64,128})", re.MULTILINE
)
_SEARCHED = re.compile(r"^Looking in links: (.+)$", re.MULTILINE)
_DIGEST = re.compile(r"[0-9a-f]{64,128}")
_DISK_FULL = "No space left on device"
_SOURCE_SUFFIXES = (".tar.gz", ".zip", ".tar.bz2")


def run_pip(locks: Sequence[Lock], site_packages: Path, find_links: Sequence[Path], scratch: Path) -> None:
    """Install what `locks` pin into the folder `site_packages`.

    Args:
        locks: what to install.
        site_packages: folder to make.
        find_links: folders with wheels, beside those of pip's configuration.
        scratch: folder on the same file system for pip's temporary files, so that pip moves files instead of copying.

    Raises:
        BuildError: pip failed, or left something out; the error says what happened.
    """
    command = [sys.executable, "-m", "pip", "install", *_OPTIONS, f"--target={site_packages}"]
    command += [f"--find-links={folder}" for folder in find_links]
    command += [f"--requirement={lock.path}" for lock in locks]
    environ = os.environ | {"TMPDIR": str(scratch), "PYTHONDONTWRITEBYTECODE": "1"}
    result = subprocess.run(  # noqa: S603  the arguments are files of this build
        command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", check=False
    )
    if result.returncode != 0:
        raise explain(result.returncode, result.stdout, site_packages)
    missing = _not_installed(locks, site_packages)
    if missing:
        raise lock_errors.not_installed(missing, site_packages)


def _not_installed(locks: Sequence[Lock], site_packages: Path) -> list[str]:
    """Return the pins of `locks` that apply here and that `site_packages` doesn't hold, as name==version."""
    found = {_normalise(item.name): item.version for item in distributions(path=[str(site_packages)])}
    pins = [pin for lock in locks for pin in lock.applicable]
    return [f"{name}=={version}" for name, version in pins if not _is_version(found.get(_normalise(name)), version)]


def _is_version(found: str | None, locked: str) -> bool:
    return found is not None and SpecifierSet(f"=={locked}").contains(found, prereleases=True)


def explain(status: int, output: str, site_packages: Path) -> BuildError:
    """Return the error that says why pip failed, from what it wrote and from the folders it searched."""
    if _DISK_FULL in output:
        return lock_errors.disk_full(site_packages)
    if mismatches := list(_MISMATCH.finditer(output)):
        return lock_errors.hash_mismatch(
            [(match["requirement"], _DIGEST.findall(match["expected"]), match["got"]) for match in mismatches]
        )
    if no_match := _NO_MATCH.search(output):
        return _explain_no_match(no_match[1].partition("[")[0], no_match[2], output)
    return lock_errors.pip_failed(status, output)


def _explain_no_match(name: str, version: str, output: str) -> BuildError:
    requirement = f"{name}=={version}"
    folders = _searched_folders(output)
    files = sorted(_files_of(name, folders))
    candidates = [file for file in files if _version_of(file) == _normalise(version)]
    wheels = [file for file in candidates if file.endswith(".whl")]
    if wheels:
        return lock_errors.wheels_for_another_python(requirement, wheels, describe_python())
    if candidates:
        return lock_errors.only_source(requirement, candidates)
    return lock_errors.wheel_absent(requirement, files, folders)


def describe_python() -> str:
    """Return the interpreter's version and the tag of its binary modules, such as `Python 3.13.5 (cpython-313-...)`."""
    return f"Python {sys.version.split()[0]} ({sysconfig.get_config_var('SOABI')})"


def _searched_folders(output: str) -> list[str]:
    """Return the folders that pip says it searched: those of its own configuration and those it was given."""
    searched = _SEARCHED.search(output)
    return [folder.removeprefix("file://") for folder in searched[1].split(", ")] if searched else []


def _files_of(name: str, folders: Iterable[str]) -> list[str]:
    wanted = _normalise(name)
    paths = [path for folder in folders if Path(folder).is_dir() for path in Path(folder).iterdir()]
    return [path.name for path in paths if _is_archive(path.name) and _name_of(path.name) == wanted]


def _is_archive(file: str) -> bool:
    return file.endswith((".whl", *_SOURCE_SUFFIXES))


def _name_of(file: str) -> str:
    # Source archives may have dashes in their name; the version is after the last one.
    return _normalise(file.split("-", maxsplit=1)[0] if file.endswith(".whl") else file.rpartition("-")[0])


def _version_of(file: str) -> str:
    if file.endswith(".whl"):
        return _normalise(file.split("-")[1])
    stem = next(file.removesuffix(suffix) for suffix in _SOURCE_SUFFIXES if file.endswith(suffix))
    return _normalise(stem.rpartition("-")[2])


def _normalise(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
