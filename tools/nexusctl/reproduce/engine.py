"""A Docker engine for one build: without images, cache or network, and separate from the machine's own."""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from nexusctl import shell
from nexusctl.errors import NexusError
from nexusctl.reproduce.isolation import isolated
from nexusctl.workspace import ROOT

_START_SECONDS = 60
# pack's containers expect the engine at its usual path. Under /run are also the machine's containerd and Docker engine.
_SCRIPT = """
mount -t tmpfs tmpfs /run
exec dockerd --config-file "$1/daemon.json" --data-root "$1/data" --bridge none --iptables=false \
    --host unix:///run/docker.sock --host "unix://$1/docker.sock"
"""


@dataclass(frozen=True)
class Engine:
    """A running engine: `address` is its DOCKER_HOST."""

    name: str
    address: str
    process: subprocess.Popen[bytes]
    log: Path

    def command(self, *arguments: str) -> list[str]:
        """Return the docker command for this engine."""
        return ["docker", "--host", self.address, *arguments]

    def require_running(self) -> None:
        """Raise NexusError if the engine has ended."""
        if self.process.poll() is not None:
            raise NexusError(
                f"the Docker engine of the {self.name} build went away",
                (self.log.read_text(errors="replace").splitlines() or ["it printed nothing"])[-1],
                f"see {self.log.relative_to(ROOT)}, then run the same command again (the machine's own engine is another one)",
            )


@contextmanager
def running(name: str, folder: Path, user: int) -> Iterator[Engine]:
    """Start an engine that keeps its data in `folder` and that `user` may use; yield it when it answers."""
    folder.mkdir()
    (folder / "daemon.json").write_text("{}")  # not the machine's settings
    log = shell.LOGS / f"reproduce-{name}-engine.log"
    with isolated(_SCRIPT, [folder], env=os.environ, log=log, network=False) as process:
        engine = Engine(name, f"unix://{folder}/docker.sock", process, log)
        deadline = time.monotonic() + _START_SECONDS
        while not shell.succeeds(engine.command("version")):
            engine.require_running()
            if time.monotonic() > deadline:
                found = f"no answer in {_START_SECONDS} s"
                raise NexusError(
                    f"the Docker engine of the {name} build does not start", found, f"see {log.relative_to(ROOT)}"
                )
            time.sleep(0.5)
        os.chown(folder / "docker.sock", user, user)
        yield engine
