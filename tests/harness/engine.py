"""The Docker engine as the tests look at it: containers, images, processes."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from nexusctl import shell

Inspected = dict[str, Any]
"""What `docker inspect` says of one thing."""


def docker(*arguments: str) -> str:
    """Return what a docker command prints; raise NexusError if it fails."""
    return shell.capture(["docker", *arguments])


def inspect(name: str) -> Inspected:
    """Return the engine's document of a container or an image."""
    document: Inspected = json.loads(docker("inspect", name))[0]
    return document


def containers(project: str, service: str | None = None) -> list[str]:
    """Return the ids of a compose project's containers, stopped ones too."""
    filters = [f"label=com.docker.compose.project={project}"]
    filters += [f"label=com.docker.compose.service={service}"] if service else []
    return docker("ps", "--all", "--quiet", *(part for item in filters for part in ("--filter", item))).split()


def last_log(container: str, lines: int = 40) -> str:
    """Return the end of a container's log, both streams."""
    done = subprocess.run(
        ["docker", "logs", "--tail", str(lines), container],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.stdout


def started_at(document: Inspected) -> datetime:
    """Return when a container was last started. The engine gives nanoseconds, which Python cannot hold."""
    whole, _, fraction = document["State"]["StartedAt"].rstrip("Z").partition(".")
    return datetime.fromisoformat(f"{whole}.{fraction[:6]:0<6}+00:00")


def kill_main_process(container: str) -> None:
    """Send SIGKILL from the host, so that the engine sees a crash and not a stop that somebody asked for."""
    os.kill(inspect(container)["State"]["Pid"], signal.SIGKILL)


def process_status(pid: int) -> dict[str, str]:
    """Return /proc/<pid>/status of a process on this host as names and values."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def files(image: str) -> list[str]:
    """Return the path of every file in an image, without leading slash."""
    container = docker("create", image)
    try:
        export = subprocess.Popen(["docker", "export", container], stdout=subprocess.PIPE)
        listing = subprocess.run(["tar", "--list"], stdin=export.stdout, capture_output=True, text=True, check=True)
        if export.stdout:
            export.stdout.close()
        export.wait()
    finally:
        docker("rm", "--volumes", container)
    return [line.removeprefix("./") for line in listing.stdout.splitlines()]


def remove_images(references: Sequence[str]) -> None:
    """Remove images that a test made; one that is not there is no fault."""
    subprocess.run(["docker", "image", "rm", *references], capture_output=True, check=False)


def remove_volumes(name_contains: str) -> None:
    """Remove volumes that a test made."""
    for volume in docker("volume", "ls", "--quiet", "--filter", f"name={name_contains}").split():
        docker("volume", "rm", volume)


def seconds(started: float) -> str:
    """Return the time since `started` (time.monotonic) for a table of figures."""
    return f"{time.monotonic() - started:.1f} s"
