"""Running commands: their output goes to a log under .nexus/logs, and its end into the error if one fails."""

import errno
import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from nexusctl.errors import NexusError, disk_full
from nexusctl.workspace import ROOT, STATE

LOGS = STATE / "logs"
_TAIL_LINES = 15
# Debian packages whose name differs from the program's.
_PACKAGES = {
    "docker": "docker.io docker-cli",
    "dockerd": "docker.io",
    "docker compose": "docker-compose",
    "newuidmap": "uidmap",
}
_DISK_FULL = os.strerror(errno.ENOSPC).lower()
# Messages of the client, pack and compose if the engine does not listen or the connection broke.
_ENGINE_GONE = re.compile(
    r"^.*(Cannot connect to the Docker daemon|Couldn.t connect to Docker daemon|error during connect|docker daemon is not running"
    r"|docker\.sock: connect: (?:connection refused|no such file)|unexpected EOF|Connection aborted).*$",
    re.MULTILINE | re.IGNORECASE,
)


def run(
    command: Sequence[str | Path],
    *,
    log: str,
    env: Mapping[str, str] | None = None,
    cwd: Path = ROOT,
    remedy: str | None = None,
) -> None:
    """Run a command with its output in .nexus/logs/<log>.log; raise NexusError with the end of that log if it fails."""
    LOGS.mkdir(parents=True, exist_ok=True)
    path = LOGS / f"{log}.log"
    with path.open("w") as stream:
        stream.write(f"$ {' '.join(map(str, command))}\n")
        stream.flush()
        try:
            status = subprocess.run(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(env or {})},
                cwd=cwd,
                check=False,
            ).returncode
        except FileNotFoundError as error:
            raise missing_program(str(command[0])) from error
    if status != 0:
        raise failure(f"`{Path(str(command[0])).name}` failed with exit status {status}", path, remedy)


def capture(command: Sequence[str | Path]) -> str:
    """Return what a command prints on standard output, stripped; raise NexusError if it fails."""
    try:
        done = subprocess.run(
            [str(part) for part in command],
            capture_output=True,
            text=True,
            check=False,
            cwd=ROOT,
        )
    except FileNotFoundError as error:
        raise missing_program(str(command[0])) from error
    if done.returncode != 0:
        raise failed(" ".join(map(str, command)), (done.stderr or done.stdout).strip() or "no output", done.returncode)
    return done.stdout.strip()


def failed(command: str, output: str, status: int | None = None) -> NexusError:
    """Return the error for a command that failed, from its output; a lost engine is reported as such."""
    if match := _ENGINE_GONE.search(output):
        return _engine_gone(match[0])
    return NexusError(
        f"`{command}` failed" + ("" if status is None else f" with exit status {status}"),
        output,
        "fix what the message names, then run the command again",
    )


def succeeds(command: Sequence[str | Path]) -> bool:
    """Return whether a command exits with status 0; its output is discarded."""
    try:
        return subprocess.run([str(part) for part in command], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


def missing_program(name: str) -> NexusError:
    """Return the error for a program that is not installed."""
    package = _PACKAGES.get(name, name)
    return NexusError(
        f"{name} is needed and is not installed",
        "no such program on PATH",
        f"as root on Debian: `apt-get install {package}`; elsewhere: install the equivalent",
    )


def failure(what: str, log: Path, remedy: str | None = None) -> NexusError:
    """Return the error for a command that failed and wrote into `log`; a full disk and a lost engine are reported as such."""
    text = log.read_text(errors="replace")
    full = [line.strip() for line in text.splitlines() if _DISK_FULL in line.lower()]
    if full:
        return disk_full(f"{full[-1]}\n    (all of it: {log.relative_to(ROOT)})")
    if match := _ENGINE_GONE.search(text):
        return _engine_gone(match[0])
    tail = "\n    ".join(text.splitlines()[1:][-_TAIL_LINES:]) or "no output"
    return NexusError(
        what,
        f"{tail}\n    (all of it: {log.relative_to(ROOT)})",
        remedy or "fix what the message names, then run the same command again",
    )


def _engine_gone(found: str) -> NexusError:
    return NexusError(
        "the Docker engine went away",
        found,
        "start it (as root: `systemctl start docker`), then run the same command again: what was finished is kept",
    )
