"""The Procfile: one process per line, `type: command`, started without a shell."""

import re
from dataclasses import dataclass
from pathlib import Path

from nexus_python import errors
from nexus_python.shellwords import QuotingError, find_comment, find_shell_feature, split_command
from nexus_python.textfile import read_text

DEFAULT_PROCESS = "web"

_LINE = re.compile(r"([A-Za-z0-9_-]+):\s*(\S.*)")


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
            raise errors.malformed_procfile(number, line, f"the process type `{process.type}` is defined twice")
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
    # What follows a `#` is not part of the command, so it cannot need a shell.
    comment = find_comment(command)
    if comment is not None:
        reason = f"`{comment}` would be passed to the program; put comments on lines of their own"
        raise errors.malformed_procfile(number, line, reason)
    shell_feature = find_shell_feature(command)
    if shell_feature is not None:
        raise errors.shell_in_procfile(number, line, shell_feature)
    try:
        return Process(process_type, split_command(command))
    except QuotingError as error:
        raise errors.malformed_procfile(number, line, f"its quoting is not complete ({error})") from error
