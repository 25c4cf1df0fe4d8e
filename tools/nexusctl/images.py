"""Service images, built by pack or from docker/Dockerfile.<service>."""

import time
from collections.abc import Sequence

from nexusctl import base_images, builder, cuda, docker, shell, toolchain, wheels
from nexusctl.console import Steps, table
from nexusctl.errors import NexusError
from nexusctl.workspace import ROOT, Flavour, Service, Worker, load

# The tag of Dockerfile builds; pack builds have `latest`.
DOCKERFILE_TAG = "dockerfile"


def build(steps: Steps, names: Sequence[str], *, use_pack: bool) -> None:
    """Build the named services and flavours (what the stack runs if none is named) and print a table of the images."""
    services, flavours = select(names)
    if flavours or any(service.kind == "app" for service in services):  # stores only need their own root
        builder.build(steps) if use_pack else base_images.build(
            steps, (load().base("nexus/run"), load().base("nexus/build"))
        )
    base_images.build(steps, tuple(load().base(flavour.run_image) for flavour in flavours))
    base_images.build(steps, tuple(load().base(service.base) for service in services if service.kind == "store"))
    rows = [_build_service(steps, service, use_pack=use_pack) for service in services]
    rows += [_build_flavour(steps, flavour, use_pack=use_pack) for flavour in flavours]
    table("Images", ("image", "MB", "limit", "seconds"), rows)


def reference(service: Service, *, use_pack: bool) -> str:
    """Return the image name of a service on one of the two paths."""
    tag = "latest" if use_pack or service.kind == "store" else DOCKERFILE_TAG
    return f"{service.image}:{tag}"


def flavour_reference(flavour: Flavour, *, use_pack: bool) -> str:
    """Return the image name of a flavour, whose own name may have a tag, on one of the two paths."""
    image, _, tag = flavour.name.partition(":")
    tags = [tag, "" if use_pack else DOCKERFILE_TAG]
    return f"{image}:{'-'.join(filter(None, tags)) or 'latest'}"


def image_of(process: Service | Worker, *, use_pack: bool) -> str:
    """Return the name of the image that a process of the stack runs, on one of the two paths."""
    if isinstance(process, Service):
        return reference(process, use_pack=use_pack)
    flavours = {flavour.name: flavour for flavour in load().flavours}
    if process.image in flavours:
        return flavour_reference(flavours[process.image], use_pack=use_pack)
    app = next(app for app in load().apps if app.name == process.image)
    return reference(app, use_pack=use_pack)


def references() -> list[str]:
    """Return the image names of all services and flavours on both paths, whether they are built or not."""
    names = [reference(service, use_pack=pack) for service in load().services for pack in (True, False)]
    names += [flavour_reference(flavour, use_pack=pack) for flavour in load().flavours for pack in (True, False)]
    return list(dict.fromkeys(names))


def pack_build(image: str, app: str, *options: str) -> None:
    """Run the bare `pack build IMAGE --path apps/APP` with our pack configuration."""
    toolchain.run_pack("build", image, "--path", f"apps/{app}", *options, log=f"pack-{image}")


def dockerfile_build(image: str, name: str, *options: str) -> None:
    """Build docker/Dockerfile.<name> with the repository as its context."""
    shell.run(
        ["docker", "build", "--tag", image, "--file", f"docker/Dockerfile.{name}", *options, "."],
        log=f"docker-{name}",
        env={"DOCKER_BUILDKIT": "0"},
    )


def select(names: Sequence[str]) -> tuple[list[Service], list[Flavour]]:
    """Return the named services and flavours, those that the stack runs if none is named.

    Raises:
        NexusError: a name is unknown.
    """
    buildable: list[Service | Flavour] = [*load().services, *load().flavours]
    known = {item.name: item for item in buildable}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise NexusError("no such service", ", ".join(unknown), f"use one of: {', '.join(known)}")
    chosen = [known[name] for name in names] or [*load().services, *load().flavours_of_workers]
    return (
        [item for item in chosen if isinstance(item, Service)],
        [item for item in chosen if isinstance(item, Flavour)],
    )


def _build_service(steps: Steps, service: Service, *, use_pack: bool) -> list[str]:
    image = reference(service, use_pack=use_pack)
    started = time.monotonic()
    with steps.step(image):
        if use_pack and service.kind == "app":
            pack_build(service.image, service.name)
        else:
            dockerfile_build(image, service.name)
    return _row(image, service.budget_mb, started)


def _build_flavour(steps: Steps, flavour: Flavour, *, use_pack: bool) -> list[str]:
    image = flavour_reference(flavour, use_pack=use_pack)
    options = pack_options(steps, flavour) if use_pack else _dockerfile_options(steps, flavour)
    started = time.monotonic()
    with steps.step(image):
        if use_pack:
            pack_build(flavour.name, flavour.app, *options)
        else:
            dockerfile_build(image, flavour.name if flavour.folder else flavour.app, *options)
    return _row(image, flavour.budget_mb, started)


def pack_options(steps: Steps, flavour: Flavour) -> list[str]:
    """Return the options that turn a `pack build` of the app into a build of the flavour."""
    options = ["--run-image", flavour.run_image, "--default-process", flavour.process]
    if flavour.folder:
        options += ["--descriptor", str(flavour.folder.relative_to(ROOT) / "project.toml")]
    if flavour.accelerator:
        options += ["--env", f"BP_NEXUS_ACCELERATOR={flavour.accelerator}"]
        options += ["--volume", f"{wheels.cuda_wheels(steps)}:{cuda.WHEELHOUSE}:ro"]
    return options


def _dockerfile_options(steps: Steps, flavour: Flavour) -> list[str]:
    if flavour.folder:
        return []
    if not flavour.accelerator:
        return ["--build-arg", f"RUN_IMAGE={flavour.run_image}"]
    cuda.build(steps)
    return ["--build-arg", f"RUN_IMAGE={cuda.RUN_IMAGE}"]


def _row(image: str, budget: float, started: float) -> list[str]:
    return [image, f"{docker.image_megabytes(image):.1f}", f"{budget:g}", f"{time.monotonic() - started:.1f}"]
