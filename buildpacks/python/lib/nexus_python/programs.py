"""The programs that a process can be started with: those of the run image, of the packages and of the application."""

import sys
from collections.abc import Collection, Sequence
from pathlib import Path

from nexus_python import errors
from nexus_python.procfile import Process

_PYTHONS = ("python", "python3", f"python3.{sys.version_info.minor}")
# The programs of nexus/run and their folders; /bin is a link to /usr/bin. tests/packaging compares them with the image.
RUN_IMAGE = {
    **dict.fromkeys(_PYTHONS, ("/usr/bin", "/bin")),
    "health-probe": ("/usr/local/bin",),
}
_INTERPRETERS = {f"{place}/{name}" for name in _PYTHONS for place in RUN_IMAGE[name]}


def check_programs(processes: Sequence[Process], app: Path, scripts: Path, names: Collection[str]) -> None:
    """Check that the program of each process is in the image.

    Args:
        processes: of the Procfile.
        app: folder of the application, in which processes are started.
        scripts: folder that the scripts of the packages have in the image.
        names: of these scripts.

    Raises:
        BuildError: one is not.
    """
    known = RUN_IMAGE | dict.fromkeys(names, (str(scripts),))
    for process in processes:
        if reason := _missing(process.command[0], app, known):
            raise errors.unknown_program(process.type, process.command, reason, sorted(known))


def _missing(program: str, app: Path, known: dict[str, tuple[str, ...]]) -> str:
    """Return why a program cannot be started, or "" if it can."""
    folder, slash, name = program.rpartition("/")
    if (not slash and program in known) or folder in known.get(name, ()):
        return ""
    file = app / program
    if not slash or not file.is_relative_to(app):
        return f"the image has no program `{program}`"
    if not file.is_file():
        return f"the application has no file `{program}`"
    if not file.stat().st_mode & 0o100:
        return f"the file `{program}` does not have the mode of a program"
    return _cannot_run(file, program)


def _cannot_run(file: Path, program: str) -> str:
    with file.open("rb") as stream:
        start = stream.readline()
    if start.startswith(b"\x7fELF"):
        return ""
    words = start[2:].decode(errors="replace").split()
    if start.startswith(b"#!") and words and words[0] in _INTERPRETERS:
        return ""
    interpreter = words[0] if start.startswith(b"#!") and words else "none"
    return f"the first line of `{program}` must name a Python of the image as interpreter (it names {interpreter})"
