"""Installs a lock the way the buildpack does; the Dockerfiles call it as a command.

    python3 -m nexus_python.install --requirements requirements.txt --target DIR [--project project.toml]
    python3 -m nexus_python.install --app DIR

The first fills DIR/site-packages with the packages and their bytecode, DIR/bin with the console scripts; what to prune is
read from the project descriptor, where `pack` reads it too. The second makes the application in DIR ready to run; both can
be combined. With --date or SOURCE_DATE_EPOCH (https://reproducible-builds.org/specs/source-date-epoch/) every file of
DIR gets that date, so that a layer of it is the same at each build.
"""

import argparse
import errno
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pip._vendor.packaging.utils import canonicalize_name, canonicalize_version

from nexus_python import errors, lock_errors, python_version
from nexus_python.bytecode import compile_folder
from nexus_python.lockfile import Lock, read_lock
from nexus_python.output import count, say
from nexus_python.pip_install import run_pip
from nexus_python.project import read_build_variables
from nexus_python.sbom import bill_of_materials, read_distributions
from nexus_python.settings import read_settings, resolve_find_links
from nexus_python.tidy import move_scripts, prune, rewrite_records, set_dates, set_modes, strip_libraries

SITE_PACKAGES = "site-packages"
SCRIPTS = "bin"
BILL = "sbom.cdx.json"

_MEBIBYTE = 2**20
_SHOWN = 5


@dataclass(frozen=True)
class InstallPlan:
    """What to install: checked locks, folders with wheels beside pip's own, globs to prune."""

    locks: tuple[Lock, ...]
    find_links: tuple[Path, ...] = ()
    prune: tuple[str, ...] = ()


def read_locks(app: Path, names: Sequence[str]) -> tuple[Lock, ...]:
    """Read the locks `names`, files in the folder `app`, for the running Python.

    Raises:
        BuildError: one is missing or cannot be installed as it stands, or a distribution is pinned to several versions.
    """
    for name in names:
        if not (app / name).is_file():
            raise lock_errors.missing_lock(app, name, sys.version_info[:2])
    locks = tuple(read_lock(app / name, sys.version_info[:2]) for name in names)
    _check_conflicts(locks)
    return locks


def _check_conflicts(locks: Sequence[Lock]) -> None:
    pins = [(lock.path.name, *pin) for lock in locks for pin in lock.applicable]
    by_name: dict[str, list[tuple[str, str]]] = {}
    for lock, name, version in pins:
        by_name.setdefault(canonicalize_name(name), []).append((lock, version))
    for name, places in by_name.items():
        if len({canonicalize_version(version) for _, version in places}) > 1:
            raise lock_errors.conflicting_pins(name, places)


def install(plan: InstallPlan, target: Path) -> None:
    """Install `plan` into the folder `target`, which must not exist or be empty, with a bill of materials beside it.

    Raises:
        BuildError: pip failed or left something out, the disk is full, or the folder isn't empty.
    """
    if target.is_dir() and any(target.iterdir()):
        raise lock_errors.target_not_empty(target)
    site_packages, scripts, scratch = target / SITE_PACKAGES, target / SCRIPTS, target / ".scratch"
    scratch.mkdir(parents=True)
    site_packages.mkdir()
    if any(lock.requirements for lock in plan.locks):
        run_pip(plan.locks, site_packages, plan.find_links, scratch)
    shutil.rmtree(scratch)
    move_scripts(site_packages, scripts)
    _prune(site_packages, plan.prune)
    _strip(site_packages)
    rewrite_records(site_packages, scripts)
    _compile(site_packages, "package", parallel=True)
    distributions = read_distributions(site_packages)
    (target / BILL).write_text(bill_of_materials(distributions), "utf-8")
    say(f"Packages: {count(len(distributions), 'distribution')} installed")


def finish_app(app: Path) -> None:
    """Give the application's files the modes of a fresh checkout and compile them, so that it starts without compiling."""
    set_modes(app)
    _compile(app, "application", parallel=False)


def _prune(site_packages: Path, globs: Sequence[str]) -> None:
    if not globs:
        return
    removed, unmatched = prune(site_packages, globs)
    say(f"Pruned: {removed / _MEBIBYTE:.1f} MiB")
    for glob in unmatched:
        say(f"Note: the prune glob {glob} matches nothing; is it still needed?")


def _strip(site_packages: Path) -> None:
    removed, refused = strip_libraries(site_packages)
    if removed:
        say(f"Stripped: {removed / _MEBIBYTE:.1f} MiB of debugging symbols")
    if refused:
        libraries = "shared library" if len(refused) == 1 else "shared libraries"
        say(f"Note: {len(refused)} {libraries} could not be stripped: {_some(refused)}")


def _compile(folder: Path, what: str, *, parallel: bool) -> None:
    failed = compile_folder(folder, parallel=parallel)
    if failed:
        say(f"Note: {count(len(failed), f'{what} file')} could not be compiled by this Python: {_some(failed)}")


def _some(files: Sequence[str]) -> str:
    return ", ".join(files[:_SHOWN]) + (", ..." if len(files) > _SHOWN else "")


def _plan(requirements: Sequence[str], project: Path | None) -> InstallPlan:
    """Return what `pack` would install by the same lock and project descriptor."""
    variables = read_build_variables(project) if project else {}
    settings = read_settings(variables)
    python_version.check_constraint(settings.python)
    if "BP_PIP_REQUIREMENT" in variables and settings.requirements != tuple(requirements):
        raise errors.other_requirements(settings.requirements, requirements)
    find_links = resolve_find_links(Path(), settings.find_links)
    return InstallPlan(read_locks(Path(), requirements), find_links, settings.prune)


def exit_status(work: Callable[[], None], place: Path) -> int:
    """Do `work`, which writes into `place`; show a failure that people can fix; return the exit status."""
    os.umask(0o022)
    try:
        work()
    except errors.BuildError as error:
        sys.stderr.write(f"\n{error}\n")
        return 1
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        sys.stderr.write(f"\n{lock_errors.disk_full(place)}\n")
        return 1
    return 0


def _run(options: argparse.Namespace) -> None:
    if options.app:
        python_version.check_files(options.app)
    if options.target:
        install(_plan(options.requirements, options.project), options.target)
    if options.app:
        finish_app(options.app)
    if options.date is not None:
        for folder in filter(None, (options.target, options.app)):
            set_dates(folder, options.date)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    parser = argparse.ArgumentParser(prog="python3 -m nexus_python.install", description="Install a hash-pinned lock.")
    parser.add_argument("--requirements", nargs="+", metavar="FILE", help="lock files")
    parser.add_argument("--target", type=Path, metavar="DIR", help="folder to make")
    parser.add_argument("--project", type=Path, metavar="FILE", help="project descriptor that sets BP_NEXUS_PRUNE")
    parser.add_argument("--app", type=Path, metavar="DIR", help="application to finish")
    parser.add_argument(
        "--date",
        type=int,
        default=os.environ.get("SOURCE_DATE_EPOCH"),
        metavar="SECONDS",
        help="date of every file, in seconds since 1970 (default: SOURCE_DATE_EPOCH; without it, when it was written)",
    )
    options = parser.parse_args(arguments)
    if (options.requirements is None) != (options.target is None):
        parser.error("--requirements and --target go together")
    if options.target is None and options.app is None:
        parser.error("name --target, --app or both")
    return exit_status(lambda: _run(options), options.target or options.app)


if __name__ == "__main__":
    sys.exit(main())
