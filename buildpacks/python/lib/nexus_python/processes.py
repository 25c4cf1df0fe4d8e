"""Writes a program for each process of the Procfile; the Dockerfiles call it as a command.

    python3 -m nexus_python.processes APP DIR

DIR/process/<type> starts the process. DIR becomes /cnb of the image, where an image that pack has built has links to its
launcher under the same names, so that one compose file runs either image. Every file gets the date SOURCE_DATE_EPOCH (https://reproducible-builds.org/specs/source-date-epoch/).
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from nexus_python.install import exit_status
from nexus_python.procfile import read_procfile
from nexus_python.tidy import set_dates

# -I -S: it starts in a few milliseconds, and nothing of the application's is imported by this interpreter.
_PROGRAM = """\
#!/usr/bin/python3 -IS
import os, sys
command = {command!r}
os.execvp(command[0], command + sys.argv[1:])
"""


def write_programs(app: Path, target: Path) -> None:
    """Write an executable file `target`/process/<type> for each process of `app`'s Procfile.

    Raises:
        BuildError: the Procfile cannot be used.
    """
    processes = read_procfile(app)
    folder = target / "process"
    folder.mkdir(parents=True)
    for process in processes:
        program = folder / process.type
        program.write_text(_PROGRAM.format(command=list(process.command)), "utf-8")
        program.chmod(0o755)
    set_dates(target, int(os.environ["SOURCE_DATE_EPOCH"]))


def main(arguments: Sequence[str]) -> int:
    """Run the command; return its exit status."""
    app, target = map(Path, arguments)
    return exit_status(lambda: write_programs(app, target), target)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
