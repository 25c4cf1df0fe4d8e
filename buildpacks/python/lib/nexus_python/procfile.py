"""The Procfile: one process per line, `type: command`, started without a shell."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from nexus_python import errors
from nexus_python.textfile import read_text

DEFAULT_PROCESS = "web"

_LINE = re.compile(r"([A-Za-z0-9_-]+):\s*(\S.*)")
_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")
_EXPANSION = re.compile(r"\$(?:\{[^}]*\}|\([^)]*\)?|[A-Za-z_][A-Za-z0-9_]*)|`")
_OPERATOR = re.compile(r"[|&;<>()]+")


@dataclass(frozen=True)
class Process:
    """A process type and the words of its command; the first word is the program."""

    type: str
    command: tuple[str, ...]


def read_procfile(app: Path) -> tuple[Process, ...]:
    """Return the processes of `app`'s Procfile in its order; `web` is among them.

    Raises:
        BuildError: there is no Procfile, it is empty, a line cannot be used without a shell, or no line says `web`.
    """
    path = app / "Procfile"
    if not path.is_file():
        raise errors.no_procfile(app)
    processes: dict[str, Process] = {}
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        process = _parse_line(number, line)
        if process.type in processes:
            raise errors.malformed_procfile(number, line, f"the process type `{process.type}` is there twice")
        processes[process.type] = process
    if not processes:
        raise errors.empty_procfile()
    if DEFAULT_PROCESS not in processes:
        raise errors.no_web_process(sorted(processes))
    return tuple(processes.values())


def _parse_line(number: int, line: str) -> Process:
    match = _LINE.fullmatch(line.strip())
    if match is None:
        raise errors.malformed_procfile(number, line, "it is not of the form `type: command`")
    process_type, command = match.groups()
    shell_feature = find_shell_feature(command)
    if shell_feature is not None:
        raise errors.shell_in_procfile(number, line, shell_feature)
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise errors.malformed_procfile(number, line, f"its quoting is not complete ({error})") from error
    return Process(process_type, tuple(words))


def find_shell_feature(command: str) -> str | None:
    """Return the first thing in `command` that only a shell could carry out, or None.

    These are operators outside quotes, expansions outside single quotes, and assignments before the program.
    """
    if assignment := _ASSIGNMENT.match(command):
        return assignment.group()
    quote = ""
    position = 0
    while position < len(command):
        character = command[position]
        found = None if quote == "'" else _EXPANSION.match(command, position)
        if not found and not quote:
            found = _OPERATOR.match(command, position)
        if found:
            return found.group()
        if character == "\\" and quote != "'":
            position += 1
        elif character in "'\"" and quote in {"", character}:
            quote = "" if quote else character
        position += 1
    return None
