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
from nexusctl.workspace import Service, Worker, load

_LEFT, _RIGHT = "left", "right"
_ALONE = "image"


def run(names: Sequence[str], given: tuple[str, str] | None, *, json: bool) -> bool:
    """Compare the two images of each named process (all if none is named), or two given ones; print what was found.

    Args:
        names: apps and workers; with `given`, at most one: as which the two images run.
        given: references of two local images.
        json: print JSON in place of tables.

    Returns:
        Whether all is equal or allowed, and each allowance is still needed.
    """
    docker.require_engine()
    processes = _processes(names)
    _require_images(given or ())
    if given is None:
        pairs, sides, allowed = _of_stack(processes or _comparable()), _stacks(), allowances.load()
    elif processes:
        pairs, sides, allowed = [_given(processes, given)], _stacks(processes[0].name, given), allowances.load()
    else:
        pairs, allowed = [Pair(_ALONE, given)], Allowances()
        sides = behaviour.plain(_LEFT, {_ALONE: given[0]}), behaviour.plain(_RIGHT, {_ALONE: given[1]})
    rows = compare(pairs, sides, allowed)
    if json:
        typer.echo(report.as_json(rows, allowed.stale()))
    else:
        report.show(rows, allowed.stale())
    return not report.failed(rows) and not allowed.stale()


def _processes(names: Sequence[str]) -> list[Service | Worker]:
    known = {process.name: process for process in _comparable()}
    if unknown := [name for name in names if name not in known]:
        raise NexusError("no such app", ", ".join(unknown), f"use one of: {', '.join(known)}")
    return [known[name] for name in names]


def _comparable() -> list[Service | Worker]:
    return [*load().apps, *load().workers]


def _of_stack(processes: Sequence[Service | Worker]) -> list[Pair]:
    """Return the pack image and the Dockerfile image of each process, built where they are missing."""
    for use_pack in (True, False):
        wanted = {images.image_of(process, use_pack=use_pack): process.image for process in processes}
        wanted |= {images.reference(store, use_pack=use_pack): store.name for store in load().stores}
        if missing := [name for reference, name in wanted.items() if not docker.image_id(reference)]:
            images.build(Steps(), missing, use_pack=use_pack)
    return [
        Pair(process.name, (images.image_of(process, use_pack=True), images.image_of(process, use_pack=False)))
        for process in processes
    ]


def _stacks(service: str | None = None, given: tuple[str, str] = ("", "")) -> tuple[Side, Side]:
    left, right = ({service: image} if service else {} for image in given)
    # All other services are the same on both sides.
    right_tag = "latest" if service else images.DOCKERFILE_TAG
    return behaviour.stack(_LEFT, "latest", left), behaviour.stack(_RIGHT, right_tag, right)


def _given(processes: Sequence[Service | Worker], given: tuple[str, str]) -> Pair:
    if len(processes) > 1:
        found = ", ".join(process.name for process in processes)
        raise NexusError("two images can run as one service only", found, "name one service with --images")
    return Pair(processes[0].name, given)


def _require_images(references: Sequence[str]) -> None:
    for reference in references:
        if docker.image_id(reference) is None:
            raise NexusError(
                "there is no such image", reference, "check the name (`docker image ls`); build or load the image first"
            )
