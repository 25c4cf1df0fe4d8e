"""Base images from Debian packages: docker/base recipes -> .nexus/base tars -> images with fixed ids."""

import json
import os
import shutil
from pathlib import Path
from string import Template
from typing import Any

from nexusctl import build_cache, docker, shell, wheels
from nexusctl.console import Steps
from nexusctl.errors import NexusError
from nexusctl.workspace import ROOT, STATE, Base, load

RECIPES = ROOT / "docker" / "base"
ROOTS = STATE / "base"
# Used if the host has no mmdebstrap; needs an image registry, or a local image of this name.
RECIPE_IMAGE = "debian:trixie-slim"


def build(steps: Steps, images: tuple[Base, ...], *, anew: bool = False) -> None:
    """Build the given base images if their recipes or the wheelhouse changed, or the engine lacks them.

    `anew`: from today's Debian packages, even if nothing changed.
    """
    _build_roots(steps, images, anew=anew)
    for base in images:
        layers = [ROOTS / f"{root}.tar" for root in base.roots]
        if base.wheelhouse:
            layers.append(wheels.layer(steps))
        if build_cache.is_current(_stamp(base), _made_from(base)):
            continue
        with steps.step(base.image):
            docker.load_image(base.image, layers, config(base))
        build_cache.finish(_stamp(base), _made_from(base))


def require(steps: Steps, base: Base) -> None:
    """Build a base image unless the engine has one of the same Debian packages; its wheels do not matter."""
    if not (docker.image_id(base.image) and all(map(_is_made, base.roots))):
        build(steps, (base,))


def adopt(base: Base, image: str) -> None:
    """Use an image built elsewhere as the base image, until it is built from Debian packages again."""
    shell.run(["docker", "tag", image, base.image], log="adopt")
    if all(map(_is_made, base.roots)):
        build_cache.finish(_stamp(base), _made_from(base))


def _stamp(base: Base) -> str:
    return f"image-{base.image.replace('/', '-')}"


def _made_from(base: Base) -> str:
    """Return the inputs and the id of a base image."""
    inputs = "".join(f"{_inputs(root)} {(ROOTS / f'{root}.tar').stat().st_mtime_ns} " for root in base.roots)
    return f"{inputs}{wheels.inputs() if base.wheelhouse else ''} {docker.image_id(base.image)}"


def config(base: Base) -> dict[str, Any]:
    """Return the image's configuration; ${SOURCE_DATE_EPOCH} in it is replaced by the date of every file."""
    text = Template((RECIPES / f"{base.roots[-1]}.json").read_text()).substitute(SOURCE_DATE_EPOCH=load().epoch)
    document: dict[str, Any] = json.loads(text)
    return document


def _build_roots(steps: Steps, images: tuple[Base, ...], *, anew: bool) -> None:
    # A layer is assembled together with those below it.
    needed = dict.fromkeys(root for base in images if anew or not all(map(_is_made, base.roots)) for root in base.roots)
    if not needed:
        return
    # Written elsewhere and then moved: an interrupted run leaves no partial file in place.
    partial = ROOTS / "partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    with steps.step(f"Debian packages: {', '.join(needed)}"):
        _make_roots(list(needed), partial)
    for file in partial.iterdir():
        file.replace(ROOTS / file.name)
    partial.rmdir()
    for root in needed:
        build_cache.finish(f"root-{root}", _inputs(root))


def _is_made(root: str) -> bool:
    return (ROOTS / f"{root}.tar").exists() and build_cache.is_current(f"root-{root}", _inputs(root))


def _make_roots(roots: list[str], out: Path) -> None:
    remedy = (
        "check that this machine's Debian mirror is reachable (NEXUS_DEBIAN_MIRROR names another); "
        "a user other than root also needs the package uidmap and a line in /etc/subuid; then try again"
    )
    if shutil.which("mmdebstrap"):
        epoch = {"SOURCE_DATE_EPOCH": str(load().epoch)}
        shell.run([RECIPES / "make-roots", out, *roots], log="base", env=epoch, remedy=remedy)
        return
    if not docker.image_id(RECIPE_IMAGE) and not shell.succeeds(["docker", "pull", RECIPE_IMAGE]):
        raise NexusError(
            "base images need mmdebstrap, or a Debian image to run it in",
            f"no mmdebstrap on PATH, and the image {RECIPE_IMAGE} is neither present nor can it be pulled",
            "install mmdebstrap (Debian, Ubuntu: apt-get install mmdebstrap), then try again",
        )
    shell.run(recipe_in_container(roots, out), log="base", remedy=remedy)


def recipe_in_container(roots: list[str], out: Path) -> list[str]:
    """Return the command that builds `roots` in the folder `out` if the host has no mmdebstrap."""
    install = "command -v mmdebstrap >/dev/null || { apt-get -qq update && apt-get -qq install -y mmdebstrap; }"
    owner = f"{os.getuid()}:{os.getgid()}"
    script = f"{install} && /recipes/base/make-roots /out {' '.join(roots)} && chown -R {owner} /out"
    # mmdebstrap mounts /proc in the new root.
    return [
        *("docker", "run", "--rm", "--cap-add", "SYS_ADMIN", "--security-opt", "apparmor=unconfined"),
        *("--env", f"SOURCE_DATE_EPOCH={load().epoch}", "--env", "NEXUS_DEBIAN_MIRROR"),
        *("--volume", f"{ROOT / 'docker'}:/recipes:ro", "--volume", f"{out}:/out"),
        *(RECIPE_IMAGE, "sh", "-c", script),
    ]


def _inputs(root: str) -> str:
    shared = [RECIPES / name for name in ("assemble", "make-roots", "common.prune")]
    shared.append(RECIPES.with_name("probe"))
    own = [*RECIPES.glob(f"{root}.*"), *RECIPES.parent.glob(root)]
    return build_cache.digest([*shared, *own], str(load().epoch), os.environ.get("NEXUS_DEBIAN_MIRROR", ""))
