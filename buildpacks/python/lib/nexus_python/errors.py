"""Every failure of the buildpack: what happened, what was found, what to do next.

All texts lie here, so that they can be read side by side. A function per failure; each returns the error to raise.
"""

import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

_LISTED = 12


class BuildError(Exception):
    """A failure that the person who builds can mend; its text is what they read."""

    def __init__(self, title: str, *, happened: str, found: str | Iterable[str], todo: str) -> None:
        found_lines = [found] if isinstance(found, str) else list(found)
        sections = {
            "What happened": happened.splitlines(),
            "What was found": found_lines or ["nothing"],
            "What to do": todo.splitlines(),
        }
        lines = [f"ERROR: {title}"]
        for heading, body in sections.items():
            lines += ["", heading, *(f"  {line}" if line else "" for line in body)]
        super().__init__("\n".join(lines))


def _shorten(lines: Sequence[str]) -> list[str]:
    if len(lines) <= _LISTED:
        return list(lines)
    return [*lines[:_LISTED], f"and {len(lines) - _LISTED} more"]


def _list_folder(folder: Path) -> list[str]:
    return _shorten(sorted(f"{path.name}/" if path.is_dir() else path.name for path in folder.iterdir()))


# The lock


def missing_lock(app: Path, name: str) -> BuildError:
    """Name a lock file that BP_PIP_REQUIREMENT or the default asks for and that isn't there."""
    return BuildError(
        f"There is no lock file {name}",
        happened="Packages are installed from a lock file with pinned versions and hashes, and it is missing.",
        found=["the application's folder holds:", *(f"  {entry}" for entry in _list_folder(app))],
        todo=(
            f"Make {name} from your dependencies, for example\n"
            f"  uv pip compile pyproject.toml --python-version 3.13 --generate-hashes -o {name}\n"
            "and commit it. An application without dependencies has an empty one. If it exists, check that project.toml\n"
            "doesn't exclude it. If it has another name, put that into BP_PIP_REQUIREMENT."
        ),
    )


def unhashed_lock_line(name: str, number: int, line: str, reason: str) -> BuildError:
    """Show a lock line that pip could not verify."""
    return BuildError(
        f"{name} line {number} cannot be installed safely",
        happened=f"A line of the lock is refused: {reason}.",
        found=f"line {number}: {line}",
        todo=(
            "Lock again with hashes, so that each line reads name==version --hash=sha256:...:\n"
            "  uv pip compile pyproject.toml --python-version 3.13 --generate-hashes -o requirements.txt"
        ),
    )


def option_in_lock(name: str, number: int, line: str) -> BuildError:
    """Show a lock line that is an option for pip."""
    return BuildError(
        f"{name} line {number} is an option of pip",
        happened="The lock may name distributions alone: options would lead pip to other files or to a network.",
        found=f"line {number}: {line}",
        todo=(
            "Remove the line. Lock files beside this one belong into BP_PIP_REQUIREMENT (separated by spaces),\n"
            "folders with wheels into BP_PIP_FIND_LINKS."
        ),
    )


def lock_for_another_python(name: str, header: str, python: tuple[int, int]) -> BuildError:
    """Show the header line of a lock that was made for another Python."""
    version = ".".join(map(str, python))
    return BuildError(
        f"{name} was made for another Python",
        happened=f"This builder has Python {version}; a lock made for another Python pins other distributions.",
        found=f"{name} says: {header}",
        todo=(
            f"Lock again for Python {version}:\n"
            f"  uv pip compile pyproject.toml --python-version {version} --generate-hashes -o {name}"
        ),
    )


def not_utf8(name: str, beginning: bytes, position: int) -> BuildError:
    """Say that a text file is in another encoding than UTF-8."""
    return BuildError(
        f"{name} is not UTF-8",
        happened=f"{name} must be a text file in UTF-8; this one is in another encoding.",
        found=f"the file begins with the bytes {beginning.hex(' ')}; byte {position} is no UTF-8",
        todo="Save the file as UTF-8. Windows PowerShell's `>` writes UTF-16: use `| Out-File -Encoding utf8` there.",
    )


# The project descriptor


def missing_project(project: Path) -> BuildError:
    """Name a project descriptor that isn't there."""
    return BuildError(
        f"There is no project descriptor {project.name}",
        happened="What to remove from the packages is read from the project descriptor, and it is missing.",
        found=f"no file {project}",
        todo=(
            "Check the path after --project, and that the file is copied to where the packages are installed.\n"
            "Without --project nothing is removed."
        ),
    )


def malformed_project(project: Path, reason: str) -> BuildError:
    """Say why a project descriptor cannot be used."""
    return BuildError(
        f"{project.name} cannot be understood",
        happened=f"{project.name} must be a project descriptor of schema 0.2, as pack reads it.",
        found=reason,
        todo=(
            "Correct the file. A descriptor that sets a variable of the build looks so:\n"
            "  [_]\n"
            '  schema-version = "0.2"\n'
            "\n"
            "  [[io.buildpacks.build.env]]\n"
            '  name = "BP_NEXUS_PRUNE"\n'
            '  value = "*/tests"'
        ),
    )


# Python itself


def wrong_python(constraint: str, found: str) -> BuildError:
    """Say that the builder's Python doesn't meet BP_CPYTHON_VERSION."""
    return BuildError(
        "The builder's Python doesn't meet BP_CPYTHON_VERSION",
        happened=f"BP_CPYTHON_VERSION asks for {constraint}.",
        found=f"this builder has Python {found} and no other",
        todo=(
            "Set BP_CPYTHON_VERSION (in project.toml under [[io.buildpacks.build.env]], or by --env) to a version that this\n"
            "builder has, or build with a builder that has the version you need."
        ),
    )


def invalid_constraint(constraint: str) -> BuildError:
    """Say that BP_CPYTHON_VERSION is no version constraint."""
    return BuildError(
        "BP_CPYTHON_VERSION cannot be understood",
        happened="BP_CPYTHON_VERSION must be a version constraint.",
        found=f"BP_CPYTHON_VERSION={constraint}",
        todo="Write a version or a constraint: 3.13, 3.13.*, 3.x, ~3.13, >=3.12 <3.14, 3.12.* || 3.13.*",
    )


# Settings


def misspelt_variable(name: str, meant: str) -> BuildError:
    """Name a variable that looks like another one that exists."""
    return BuildError(
        f"{name} looks misspelt",
        happened="A build variable is not one that this builder reads, but is spelt almost like one.",
        found=name,
        todo=f"Write {meant}, or remove the variable.",
    )


def unknown_variable(name: str, known: Sequence[str]) -> BuildError:
    """Name a BP_NEXUS_* variable that doesn't exist."""
    return BuildError(
        f"{name} is unknown",
        happened="Variables that begin with BP_NEXUS_ are this builder's own, and it has none of this name.",
        found=name,
        todo=f"Remove it, or use one of these: {', '.join(sorted(known))}",
    )


def unknown_value(name: str, value: str, allowed: Sequence[str]) -> BuildError:
    """Name a variable whose value is none of those it takes."""
    return BuildError(
        f"{name} has a value that it doesn't take",
        happened=f"{name} must be one of: {', '.join(allowed)}.",
        found=f"{name}={value}",
        todo="Correct the value, or remove the variable to get the default.",
    )


def shell_process() -> BuildError:
    """Say that BP_DIRECT_PROCESS=false is impossible here."""
    return BuildError(
        "BP_DIRECT_PROCESS=false needs a shell",
        happened="The run image has no shell, so processes are always started directly.",
        found="BP_DIRECT_PROCESS=false",
        todo="Remove BP_DIRECT_PROCESS or set it to true; write Procfile commands without shell syntax.",
    )


def no_variable_name(name: str) -> BuildError:
    """Name a BPE_* variable without the name of the variable to set."""
    return BuildError(
        f"{name} names no variable",
        happened="After BPE_ and an action there must be the name of the launch variable that is meant.",
        found=name,
        todo="Write BPE_<NAME>, BPE_DEFAULT_<NAME>, BPE_APPEND_<NAME>, BPE_PREPEND_<NAME>, BPE_OVERRIDE_<NAME> or BPE_DELIM_<NAME>.",
    )


def malformed_labels(text: str, reason: str) -> BuildError:
    """Say why BP_IMAGE_LABELS cannot be read."""
    return BuildError(
        "BP_IMAGE_LABELS cannot be read",
        happened=f"In BP_IMAGE_LABELS {reason}.",
        found=f"BP_IMAGE_LABELS={text}",
        todo='Write key=value pairs separated by spaces, with quotes around spaces: team=catalogue "title=Product gateway"',
    )


def unsafe_prune(glob: str) -> BuildError:
    """Name a glob that would remove more than parts of the installed packages."""
    return BuildError(
        "BP_NEXUS_PRUNE reaches too far",
        happened="Globs to prune are relative to site-packages and must stay inside it, and name something in it.",
        found=glob,
        todo="Write globs such as: numpy/tests  */tests  onnxruntime/capi/libonnxruntime.so*",
    )


def missing_find_links(link: str) -> BuildError:
    """Name a folder of BP_PIP_FIND_LINKS that isn't there."""
    return BuildError(
        "A folder of BP_PIP_FIND_LINKS is missing",
        happened="BP_PIP_FIND_LINKS names folders with wheels, relative to the application; one of them is no folder.",
        found=link,
        todo="Correct the path, or check that project.toml doesn't exclude the folder. Addresses on a network are not used.",
    )


def bad_certificate(name: str, reason: str) -> BuildError:
    """Name a key of a ca-certificates binding that holds no certificate."""
    return BuildError(
        f"{name} is no CA certificate",
        happened="Each key of a service binding of type ca-certificates must hold PEM certificates.",
        found=f"{name}: {reason}",
        todo="Put a certificate that starts with -----BEGIN CERTIFICATE----- there, or remove the key from the binding.",
    )


# The Procfile


def no_procfile(app: Path) -> BuildError:
    """Say that there is no Procfile."""
    return BuildError(
        "There is no Procfile",
        happened="The Procfile says how the application is started, and it is missing.",
        found=["the application's folder holds:", *(f"  {entry}" for entry in _list_folder(app))],
        todo="Add a file named Procfile beside requirements.txt, for example with the line\n  web: python3 -m my_package",
    )


def empty_procfile() -> BuildError:
    """Say that the Procfile names no process."""
    return BuildError(
        "The Procfile is empty",
        happened="The Procfile says how the application is started, and it names no process.",
        found="no line besides blank ones and comments",
        todo="Add a line for the process to start, for example\n  web: python3 -m my_package",
    )


def no_web_process(types: Sequence[str]) -> BuildError:
    """Say which processes there are where `web` is missing."""
    return BuildError(
        "The Procfile has no web process",
        happened="The process `web` is what a container of the image starts by default, and the Procfile has none.",
        found=f"processes: {', '.join(types)}",
        todo="Name the process to start by default `web`, for example\n  web: python3 -m my_package",
    )


def malformed_procfile(number: int, line: str, reason: str) -> BuildError:
    """Say why a line of the Procfile cannot be read."""
    return BuildError(
        f"Procfile line {number} cannot be read",
        happened=f"A line of the Procfile is refused: {reason}.",
        found=f"line {number}: {line}",
        todo="Write one process per line, each type once, as `type: command`, for example\n  web: python3 -m my_package",
    )


def shell_in_procfile(number: int, line: str, feature: str) -> BuildError:
    """Show what in a Procfile line only a shell could carry out."""
    return BuildError(
        f"Procfile line {number} needs a shell",
        happened=f"The run image has no shell, so commands are started directly and `{feature}` would not be carried out.",
        found=f"line {number}: {line}",
        todo=(
            "Do it in the program: read variables from the environment, and set them by BPE_DEFAULT_<NAME> in project.toml.\n"
            "If the characters are meant as they stand, put them in single quotes."
        ),
    )


# Installing


def target_not_empty(target: Path) -> BuildError:
    """Say that the folder to install into holds something already."""
    return BuildError(
        "The target folder is not empty",
        happened="Packages are installed into a fresh folder, so that nothing of an earlier install stays behind.",
        found=[f"{target} holds:", *(f"  {entry}" for entry in _list_folder(target))],
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
        happened="A wheel's SHA-256 is none of those in the lock, so it was refused.",
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
        happened="Packages are installed from folders with wheels alone, and none of them has this version.",
        found=[
            f"searched: {', '.join(folders) or 'no folder at all'}",
            *_shorten([f"other version: {name}" for name in others]),
        ],
        todo=(
            "Fetch the locked wheels and make the builder again (make builder), or lock again, or put the wheel into a\n"
            "folder of the application that BP_PIP_FIND_LINKS names."
        ),
    )


def only_source(requirement: str, files: Sequence[str]) -> BuildError:
    """Name a distribution that is there as source only."""
    return BuildError(
        f"{requirement} is there as source only",
        happened="Nothing is compiled during a build, so each distribution must be there as a wheel.",
        found=_shorten(files),
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
        found=_shorten(files),
        todo=(
            "Fetch the wheel for this Python and platform and make the builder again (make builder), or choose a version\n"
            "that has one. Wheels are fetched for the Python that the root project.toml names."
        ),
    )


def pip_failed(status: int, output: str) -> BuildError:
    """Show the end of pip's own output after a failure that has no explanation of its own."""
    tail = [line for line in output.splitlines() if line.strip()][-_LISTED:]
    return BuildError(
        "pip failed",
        happened=f"pip ended with status {status}, for a reason this buildpack doesn't know.",
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
        found=f"{mebibytes[0]} of {mebibytes[1]} are free where {path} lies, once half-written files were removed",
        todo="Make space (docker system df shows what Docker holds, docker image prune removes unused images), then build again.",
    )
