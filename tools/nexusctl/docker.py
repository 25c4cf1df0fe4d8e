"""The Docker engine, through its command line."""

import hashlib
import json
import os
import platform
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

from nexusctl import build_cache, shell
from nexusctl.errors import NexusError
from nexusctl.workspace import STATE, load

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


def require_engine() -> None:
    """Raise NexusError unless an engine answers."""
    if shutil.which("docker") is None:
        raise shell.missing_program("docker")
    done = subprocess.run(
        ["docker", "version", "--format", "{{.Server.Version}}"], capture_output=True, text=True, check=False
    )
    found = done.stderr.strip() or "no output"
    if "permission denied" in found:
        raise NexusError(
            "this user may not use the Docker engine",
            found,
            "become root, or join the group docker (as root: `usermod -aG docker USER`) and log in again",
        )
    if done.returncode != 0:
        raise NexusError(
            "the Docker engine does not answer",
            found,
            "start it (as root: `systemctl start docker`; `make up` as root on Debian also installs it), then try again",
        )


def image_id(reference: str) -> str | None:
    """Return the id of a local image, or None where there is none."""
    done = subprocess.run(
        ["docker", "image", "inspect", "--format", "{{.Id}}", reference], capture_output=True, text=True, check=False
    )
    return done.stdout.strip() if done.returncode == 0 else None


def image_megabytes(reference: str) -> float:
    """Return the uncompressed size of a local image in MB (10^6 bytes)."""
    return int(shell.capture(["docker", "image", "inspect", "--format", "{{.Size}}", reference])) / 1e6


@contextmanager
def exported(reference: str) -> Iterator[tarfile.TarFile]:
    """Give the file system of an image as a stream of archive members, to be read once, in order, to its end."""
    # Never started, so any command does; an image need not have one of its own.
    container = shell.capture(["docker", "create", reference, "none"])
    command = ["docker", "export", container]
    try:
        with (
            tempfile.TemporaryFile() as complaint,
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=complaint) as process,
        ):
            broken = ""
            try:
                with tarfile.open(fileobj=process.stdout, mode="r|") as stream:
                    yield stream
            except tarfile.TarError as error:
                broken = str(error)
            # An export that ends between two files looks whole to tarfile.
            if process.wait() != 0 or broken:
                complaint.seek(0)
                raise shell.failed("docker export", complaint.read().decode(errors="replace").strip() or broken)
    finally:
        shell.succeeds(["docker", "rm", "--volumes", container])


def timestamp(text: str) -> float:
    """Return a moment as the engine writes it in seconds since 1970. It gives nanoseconds, which Python cannot hold."""
    whole, _, fraction = text.rstrip("Z").partition(".")
    return datetime.fromisoformat(f"{whole}.{fraction[:6]:0<6}+00:00").timestamp()


def project() -> str:
    """Return the name of the stack's compose project; another one is a second stack beside the first."""
    return os.environ.get("COMPOSE_PROJECT_NAME", "nexus")


def compose(*, tag: str, with_optional: bool = False) -> tuple[list[str], dict[str, str]]:
    """Return the compose command of this machine (the plugin, else docker-compose) and the environment it needs.

    `with_optional` is for what concerns the workers of the profiles too.
    """
    environment = {"NEXUS_TAG": tag, "COMPOSE_PROJECT_NAME": project(), "COMPOSE_DOCKER_CLI_BUILD": "0"}
    if with_optional:
        environment["COMPOSE_PROFILES"] = ",".join(sorted({str(worker.profile) for worker in load().optional}))
    compose_file = ["-f", "docker-compose.production.yml"]
    if shell.succeeds(["docker", "compose", "version"]):
        return ["docker", "compose", *compose_file], environment
    if shutil.which("docker-compose"):
        return ["docker-compose", *compose_file], environment
    raise shell.missing_program("docker compose")


def load_image(reference: str, layers: Sequence[Path], config: Mapping[str, Any]) -> None:
    """Put an image of the given layer tars into the engine. Equal layers and config give an equal image id."""
    created = datetime.fromtimestamp(load().epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    digests = [f"sha256:{build_cache.file_sha256(layer)}" for layer in layers]
    document = {
        "architecture": architecture(),
        "os": "linux",
        "created": created,
        "config": config,
        "rootfs": {"type": "layers", "diff_ids": digests},
        "history": [{"created": created, "created_by": f"docker/base {layer.stem}"} for layer in layers],
    }
    content = json.dumps(document, sort_keys=True).encode()
    name = f"{hashlib.sha256(content).hexdigest()}.json"
    manifest = [
        {"Config": name, "RepoTags": [f"{reference}:latest"], "Layers": [f"{digest[7:]}.tar" for digest in digests]}
    ]
    with tempfile.TemporaryDirectory(dir=STATE) as folder:
        archive = Path(folder, "image.tar")
        with tarfile.open(archive, "w") as tar:
            _add(tar, name, content)
            _add(tar, "manifest.json", json.dumps(manifest).encode())
            for layer, digest in zip(layers, digests, strict=True):
                tar.add(layer, f"{digest[7:]}.tar")
        shell.run(["docker", "load", "-i", archive], log=f"load-{reference.replace('/', '-')}")


def architecture() -> str:
    """Return this machine's architecture by its container name."""
    machine = platform.machine()
    if machine not in _ARCHITECTURES:
        raise NexusError(
            "this processor is not supported", machine, f"use a machine of: {', '.join(sorted(_ARCHITECTURES))}"
        )
    return _ARCHITECTURES[machine]


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    tar.addfile(member, BytesIO(content))
