"""`nexusctl parity`: the command."""

from collections.abc import Sequence

import typer

from nexusctl import docker, images
from nexusctl.console import Steps
from nexusctl.errors import NexusError
from nexusctl.parity import allowances, behaviour, report
from nexusctl.parity.allowances import Allowances
from nexusctl.parity.behaviour import Side
from nexusctl.parity.compare import Pair, compare
from nexusctl.workspace import Service, load

_LEFT, _RIGHT = "left", "right"
_ALONE = "image"


def run(names: Sequence[str], given: tuple[str, str] | None, *, json: bool) -> bool:
    """Compare the two images of each named app (all if none is named), or two given ones; print what was found.

    Args:
        names: apps; with `given`, at most one: as which the two images run.
        given: references of two local images.
        json: print JSON in place of tables.

    Returns:
        Whether all is equal or allowed, and each allowance is still needed.
    """
    docker.require_engine()
    apps = _apps(names)
    _require_images(given or ())
    if given is None:
        pairs, sides, allowed = _of_services(apps or list(load().apps)), _stacks(), allowances.load()
    elif apps:
        pairs, sides, allowed = [_given(apps, given)], _stacks(apps[0].name, given), allowances.load()
    else:
        pairs, allowed = [Pair(_ALONE, given)], Allowances()
        sides = behaviour.plain(_LEFT, {_ALONE: given[0]}), behaviour.plain(_RIGHT, {_ALONE: given[1]})
    rows = compare(pairs, sides, allowed)
    if json:
        typer.echo(report.as_json(rows, allowed.stale()))
    else:
        report.show(rows, allowed.stale())
    return not report.failed(rows) and not allowed.stale()


def _apps(names: Sequence[str]) -> list[Service]:
    known = {app.name: app for app in load().apps}
    if unknown := [name for name in names if name not in known]:
        raise NexusError("no such app", ", ".join(unknown), f"use one of: {', '.join(known)}")
    return [known[name] for name in names]


def _of_services(apps: Sequence[Service]) -> list[Pair]:
    """Return the pack image and the Dockerfile image of each app; missing ones are built."""
    for use_pack in (True, False):
        wanted = {images.reference(service, use_pack=use_pack): service.name for service in (*apps, *load().stores)}
        if missing := [name for reference, name in wanted.items() if not docker.image_id(reference)]:
            images.build(Steps(), missing, use_pack=use_pack)
    return [
        Pair(app.name, (images.reference(app, use_pack=True), images.reference(app, use_pack=False))) for app in apps
    ]


def _stacks(service: str | None = None, given: tuple[str, str] = ("", "")) -> tuple[Side, Side]:
    left, right = ({service: image} if service else {} for image in given)
    # All other services are the same on both sides.
    right_tag = "latest" if service else images.DOCKERFILE_TAG
    return behaviour.stack(_LEFT, "latest", left), behaviour.stack(_RIGHT, right_tag, right)


def _given(apps: Sequence[Service], given: tuple[str, str]) -> Pair:
    if len(apps) > 1:
        found = ", ".join(app.name for app in apps)
        raise NexusError("two images can run as one service only", found, "name one service with --images")
    return Pair(apps[0].name, given)


def _require_images(references: Sequence[str]) -> None:
    for reference in references:
        if docker.image_id(reference) is None:
            raise NexusError(
                "there is no such image", reference, "check the name (`docker image ls`); build or load the image first"
            )
