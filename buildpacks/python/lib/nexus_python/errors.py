"""Failures of the buildpack: what happened, what was found, what to do next.

All texts are in this module and in lock_errors.py, so that they can be read side by side. A function per failure; each
returns the error to raise.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

LISTED = 12


class BuildError(Exception):
    """A failure that the person who builds can fix; its text is what they read."""

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


def shorten(lines: Sequence[str]) -> list[str]:
    """Return the first lines of a long list, with the number of those left out."""
    if len(lines) <= LISTED:
        return list(lines)
    return [*lines[:LISTED], f"and {len(lines) - LISTED} more"]


def list_folder(folder: Path) -> list[str]:
    """Return the names of a folder's entries; those of folders end in a slash."""
    return shorten(sorted(f"{path.name}/" if path.is_dir() else path.name for path in folder.iterdir()))


# Files of the application


def not_utf8(name: str, beginning: bytes, position: int) -> BuildError:
    """Say that a text file is in another encoding than UTF-8."""
    return BuildError(
        f"{name} is not UTF-8",
        happened=f"{name} must be a text file in UTF-8; this one is in another encoding.",
        found=f"the file begins with the bytes {beginning.hex(' ')}; byte {position} is not valid UTF-8",
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
            "Correct the file. A descriptor that sets a build variable looks like this:\n"
            "  [_]\n"
            '  schema-version = "0.2"\n'
            "\n"
            "  [[io.buildpacks.build.env]]\n"
            '  name = "BP_NEXUS_PRUNE"\n'
            '  value = "*/tests"'
        ),
    )


def other_requirements(wanted: Sequence[str], given: Sequence[str]) -> BuildError:
    """Say that the installer was called with other locks than the project descriptor names."""
    return BuildError(
        "BP_PIP_REQUIREMENT names other locks than --requirements",
        happened="The project descriptor and the command must name the same locks, so that both ways of building agree.",
        found=[f"BP_PIP_REQUIREMENT={' '.join(wanted)}", f"--requirements {' '.join(given)}"],
        todo="Correct one of them; in a Dockerfile the locks must also be copied to where the packages are installed.",
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
    """Say that BP_CPYTHON_VERSION is not a version constraint."""
    return BuildError(
        "BP_CPYTHON_VERSION cannot be understood",
        happened="BP_CPYTHON_VERSION must be a version constraint.",
        found=f"BP_CPYTHON_VERSION={constraint}",
        todo="Write a version or a constraint: 3.13, 3.13.*, 3.x, ~3.13, >=3.12 <3.14, 3.12 - 3.13, 3.12.* || 3.13.*",
    )


def python_of_file(name: str, place: str, wanted: str, found: str) -> BuildError:
    """Show where a file of the application asks for a Python that this builder doesn't have."""
    return BuildError(
        f"{name} asks for another Python",
        happened=f"The image gets the Python of this builder, which does not match what {name} asks for.",
        found=[f"{name}: {place}{wanted}", f"this builder has Python {found} and no other"],
        todo=(
            f"Change {name} to a version that includes {found} and lock again, or build with a builder that has the version\n"
            "you need. A file that only development tools read can be kept out of the build by `exclude` in project.toml."
        ),
    )


def unreadable_file(name: str, reason: str) -> BuildError:
    """Say why a file that may name a Python version cannot be read."""
    return BuildError(
        f"{name} cannot be understood",
        happened=f"{name} may say which Python the application needs, and it cannot be read.",
        found=f"{name}: {reason}",
        todo=f"Correct the file, or keep it out of the build by `exclude` in project.toml if the application runs without {name}.",
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
        f"{name} has an unsupported value",
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
        todo='Write key=value pairs separated by spaces, with quotes around values with spaces: team=catalogue title="Product gateway"',
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
        happened="BP_PIP_FIND_LINKS names folders with wheels, relative to the application; one of them is not a folder.",
        found=link,
        todo="Correct the path, or check that project.toml doesn't exclude the folder. Addresses on a network are not used.",
    )


def bad_certificate(name: str, reason: str) -> BuildError:
    """Name a key of a ca-certificates binding that cannot be trusted as it is."""
    return BuildError(
        f"{name} is not a CA certificate",
        happened="Each key of a service binding of type ca-certificates must contain only certificates.",
        found=f"{name}: {reason}",
        todo="Put a certificate that starts with -----BEGIN CERTIFICATE----- there, or remove the key from the binding.",
    )


# The Procfile


def no_procfile(app: Path) -> BuildError:
    """Say that there is no Procfile."""
    return BuildError(
        "There is no Procfile",
        happened="The Procfile says how the application is started, and it is missing.",
        found=["the application's folder holds:", *(f"  {entry}" for entry in list_folder(app))],
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
        happened=f"The run image has no shell, so commands are started directly and `{feature}` would have no effect.",
        found=f"line {number}: {line}",
        todo=(
            "Do it in the program: read variables from the environment, and set them by BPE_DEFAULT_<NAME> in project.toml.\n"
            "If the characters are meant literally, put them in single quotes."
        ),
    )


def unknown_program(process: str, command: Sequence[str], reason: str, programs: Sequence[str]) -> BuildError:
    """Show a process that cannot start, because its program is not in the image."""
    return BuildError(
        f"The program of the process {process} is not in the image",
        happened=f"Commands are started directly, without a shell, and {reason}.",
        found=[f"{process}: {' '.join(command)}", f"programs of the image: {', '.join(programs)}"],
        todo=(
            "Begin the command with one of these programs: leave out `exec` and `env`, do what `cd` and `sh` are for in the\n"
            "program, and set variables by BPE_DEFAULT_<NAME> in project.toml. A script of the application needs its folder\n"
            "(./start), the mode of a program and the first line #!/usr/bin/python3."
        ),
    )
