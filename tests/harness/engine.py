"""The Docker engine as the tests look at it: containers, images, processes."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import IO, Any

from nexusctl import shell

Inspected = dict[str, Any]
"""What `docker inspect` says of one thing."""

_LISTEN = "0A"  # TCP_LISTEN of include/net/tcp_states.h, as /proc/net/tcp writes it
_BLOCK = 1 << 20
_REMOVAL_SECONDS = 10


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


def kill_main_process(container: str) -> None:
    """Send SIGKILL from the host, so that the engine sees a crash and not a stop that somebody asked for."""
    os.kill(inspect(container)["State"]["Pid"], signal.SIGKILL)


def process_status(pid: int) -> dict[str, str]:
    """Return /proc/<pid>/status of a process on this host as names and values."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def processes(container: str) -> list[int]:
    """Return the ids, on this host, of a container's processes that last; those of health checks come and go."""
    first = docker("top", container, "-eo", "pid").split()
    time.sleep(0.5)
    return [int(pid) for pid in docker("top", container, "-eo", "pid").split() if pid in first and pid.isdigit()]


def listeners(pid: int) -> list[str]:
    """Return where a process's network listens for TCP, its own loopback aside, as address:port."""
    found = []
    for name, length in (("tcp", 8), ("tcp6", 32)):
        rows = [line.split() for line in Path(f"/proc/{pid}/net/{name}").read_text().splitlines()[1:]]
        for address, port in (row[1].split(":") for row in rows if row[3] == _LISTEN):
            words = [bytes.fromhex(address[at : at + 8])[::-1] for at in range(0, length, 8)]
            listener = ip_address(b"".join(words))
            if not listener.is_loopback:
                found.append(f"{listener}:{int(port, 16)}")
    return sorted(found)


@contextmanager
def output(*arguments: str) -> Iterator[IO[bytes]]:
    """Give what a docker command prints as a stream; fail if the command fails."""
    with subprocess.Popen(["docker", *arguments], stdout=subprocess.PIPE) as process:
        assert process.stdout
        yield process.stdout
        while process.stdout.read(_BLOCK):  # a reader of archives stops before the padding at their end
            pass
    assert process.returncode == 0, f"docker {' '.join(arguments)}: exit status {process.returncode}"


def images(names: Iterable[str]) -> dict[str, str]:
    """Return the ids of images by name, such as `nexus/run:latest`; one that is not there is left out."""
    listing = docker("images", "--no-trunc", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}").splitlines()
    ids = dict(line.split() for line in listing)
    return {name: ids[name] for name in names if name in ids}


def remove_images(references: Sequence[str]) -> None:
    """Remove images that a test made; one that is not there is no fault."""
    subprocess.run(["docker", "image", "rm", *references], capture_output=True, check=False)


def remove_volumes(name_contains: str) -> None:
    """Remove volumes that a test made."""
    for volume in docker("volume", "ls", "--quiet", "--filter", f"name={name_contains}").split():
        remove_volume(volume)


def remove_volume(name: str) -> None:
    """Remove a volume, once the engine has removed the containers of `docker run --rm` that use it."""
    deadline = time.monotonic() + _REMOVAL_SECONDS
    while docker("ps", "--all", "--quiet", "--filter", f"volume={name}") and time.monotonic() < deadline:
        time.sleep(0.1)
    docker("volume", "rm", name)


def seconds(started: float) -> str:
    """Return the time since `started` (time.monotonic) for a table of figures."""
    return f"{time.monotonic() - started:.1f} s"
