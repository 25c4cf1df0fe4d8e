"""Rebase images built by pack onto a newer run image; the application layers stay the same."""

import json
import re
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from nexusctl import base_images, docker, images, shell, toolchain
from nexusctl.console import Steps, table
from nexusctl.errors import NexusError
from nexusctl.workspace import load

_PREVIOUS = "previous"
_UNFINISHED = "rebasing"
_METADATA = "io.buildpacks.lifecycle.metadata"
_SOABI = "import sysconfig; print(sysconfig.get_config_var('SOABI'))"


@dataclass(frozen=True)
class _Image:
    """An image built by pack, and the name of its base image."""

    reference: str
    base: str
    document: dict[str, Any]

    @property
    def previous(self) -> str:
        name, _, tag = self.reference.rpartition(":")
        return f"{name}:{_PREVIOUS}" if tag == "latest" else f"{self.reference}-{_PREVIOUS}"

    @property
    def unfinished(self) -> str:
        return f"{self.reference}-{_UNFINISHED}"

    @property
    def metadata(self) -> dict[str, Any]:
        """The lifecycle's record (Platform Interface Specification, `io.buildpacks.lifecycle.metadata`)."""
        found: dict[str, Any] = json.loads(_labels(self.document)[_METADATA])
        return found

    @property
    def base_id(self) -> str:
        return f"sha256:{self.metadata['runImage']['reference']}"

    @property
    def soabi(self) -> str:
        """The Python that the packages were installed for; nexus/python records it."""
        layers = [layer for buildpack in self.metadata["buildpacks"] for layer in buildpack.get("layers", {}).values()]
        return next((layer["data"]["soabi"] for layer in layers if "soabi" in (layer["data"] or {})), "none")

    @property
    def own_layers(self) -> int:
        layers: list[str] = self.document["RootFS"]["Layers"]
        return len(layers) - 1 - layers.index(self.metadata["runImage"]["topLayer"])


def run(steps: Steps, run_image: str | None) -> None:
    """Rebase the services and the flavours that are present, all or none, and print a table.

    Base images are made anew from Debian packages; or `run_image` takes the place of the one that services stand on.
    """
    docker.require_engine()
    found = _pack_images()
    toolchain.build(steps)
    if run_image is None:
        _make_run_images(steps, found)
        _move(steps, found)
        return
    name = load().apps[0].base
    found = [image for image in found if image.base == name]
    _require_fit(run_image, found)
    with _standing_in(run_image, name):
        _move(steps, found)
    base_images.adopt(load().base(name), run_image)


def _make_run_images(steps: Steps, found: Sequence[_Image]) -> None:
    """Rebuild the base images of the images, and every other present run image: they share layers."""
    needed = {image.base for image in found}
    here = {flavour.run_image for flavour in load().flavours if docker.image_id(flavour.run_image)}
    base_images.build(steps, tuple(item for item in load().bases if item.image in needed | here), anew=True)
    for name in needed:
        _require_fit(name, [image for image in found if image.base == name])


def _pack_images() -> list[_Image]:
    """Return the images of all apps, and of the flavours that are present; raise NexusError if one is not built by pack."""
    bases = {images.reference(service, use_pack=True): service.base for service in load().apps}
    flavours = {images.flavour_reference(flavour, use_pack=True): flavour.run_image for flavour in load().flavours}
    bases |= {reference: run_image for reference, run_image in flavours.items() if docker.image_id(reference)}
    return [_pack_image(reference, run_image) for reference, run_image in bases.items()]


def _pack_image(reference: str, run_image: str) -> _Image:
    if docker.image_id(reference) is None:
        raise NexusError(
            f"{reference} cannot be moved onto another base image",
            "no such image",
            "run `make build`: its images are based on the newest nexus/run",
        )
    document = _inspect(reference)
    if _METADATA not in _labels(document):
        raise NexusError(
            f"{reference} cannot be moved onto another base image",
            f"it was not built by pack: it has no label {_METADATA}",
            "build it with pack (`make build`); images of Dockerfiles are built again (`make build PACK=0`)",
        )
    return _Image(reference, run_image, document)


def _require_fit(run_image: str, found: Sequence[_Image]) -> None:
    """Raise NexusError unless images built for the current base can run on the image `run_image`."""
    if docker.image_id(run_image) is None:
        raise NexusError(
            f"{run_image} cannot be the base image",
            "no such image",
            "load it (`docker load --input FILE`) or pull it, then run the same command again",
        )
    offered = {**_traits(_inspect(run_image)), "Python": _python(run_image)}
    needed = [{**_traits(image.document), "Python": image.soabi} for image in found]
    faults = {
        trait: f"{trait} is {offered[trait]}, and the images need {traits[trait]}"
        for traits in needed
        for trait in traits
        if traits[trait] != offered[trait]
    }
    if faults:
        raise NexusError(
            f"{run_image} cannot be the base image",
            "\n         ".join(faults.values()),
            "use a base of the same kind, or change docker/base and build the images for the new one (`make build`)",
        )


def _traits(document: dict[str, Any]) -> dict[str, str]:
    config, labels = document["Config"], _labels(document)
    names = ("io.buildpacks.base.distro.name", "io.buildpacks.base.distro.version")
    return {
        "platform": f"{document['Os']}/{document['Architecture']}",
        **{f"label {name}": labels.get(name, "none") for name in names},
        "user": config["User"] or "root",
        "health check": " ".join((config.get("Healthcheck") or {}).get("Test") or ["none"]),
    }


def _python(image: str) -> str:
    """Return the SOABI of an image's Python, such as cpython-313-x86_64-linux-gnu."""
    command = ["docker", "run", "--rm", "--network", "none", "--entrypoint", "python3", image, "-c", _SOABI]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else "none"


@contextmanager
def _standing_in(run_image: str, name: str) -> Iterator[None]:
    """Tag an image with the base name that pack has recorded; on an error the former image gets the tag back."""
    former = docker.image_id(name)
    shell.run(["docker", "tag", run_image, name], log="rebase")
    try:
        yield
    except BaseException:
        if former:
            shell.succeeds(["docker", "tag", former, name])
        raise


def _move(steps: Steps, found: Sequence[_Image]) -> None:
    """Rebase all under a temporary tag, and move the tags once all succeeded."""
    outdated = [image for image in found if image.base_id != docker.image_id(image.base)]
    try:
        seconds = {image.reference: _rebase(steps, image) for image in outdated}
        if outdated:
            _publish(found, outdated)
    finally:
        shell.succeeds(["docker", "image", "rm", *(image.unfinished for image in found)])
    rows = [_row(image, docker.image_id(image.base) or "", seconds.get(image.reference)) for image in found]
    table("Rebased", ("image", "base before", "base now", "layers kept", "seconds"), rows)


def _rebase(steps: Steps, image: _Image) -> float:
    started = time.monotonic()
    options = ["--previous-image", image.reference, "--run-image", image.base, "--pull-policy", "never"]
    log = f"rebase-{re.sub(r'[/:]', '-', image.reference)}"
    with steps.step(f"rebase {image.reference}"):
        toolchain.run_pack("rebase", image.unfinished, *options, log=log)
    return time.monotonic() - started


def _publish(found: Sequence[_Image], outdated: Sequence[_Image]) -> None:
    # All former images are tagged first: together they are the stack to roll back to.
    for image in found:
        shell.run(["docker", "tag", image.document["Id"], image.previous], log="rebase")
    try:
        for image in outdated:
            shell.run(["docker", "tag", image.unfinished, image.reference], log="rebase")
    except BaseException:
        for image in outdated:
            shell.succeeds(["docker", "tag", image.document["Id"], image.reference])
        raise


def _row(image: _Image, now: str, seconds: float | None) -> list[str]:
    short = [text.removeprefix("sha256:")[:12] for text in (image.base_id, now)]
    return [image.reference, *short, str(image.own_layers), "already there" if seconds is None else f"{seconds:.1f}"]


def _inspect(reference: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(shell.capture(["docker", "image", "inspect", reference]))[0]
    return document


def _labels(document: dict[str, Any]) -> dict[str, str]:
    return document["Config"]["Labels"] or {}
