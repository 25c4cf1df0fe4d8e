"""Comparison of pairs of images: both are observed, then compared point by point."""

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from statistics import fmean
from typing import TypeVar

from nexusctl import shell
from nexusctl.parity import behaviour, filesystem, metadata
from nexusctl.parity.allowances import Allowances
from nexusctl.parity.behaviour import Side, Start
from nexusctl.parity.facts import Facts, Measure, Row, differences, in_short, verdict

SIZE = Measure("image size", "MB", share=0.05, margin=10)
MEMORY = Measure("memory", "MB", share=0.1, margin=10)
START = Measure("start to first 200", "s")
STARTS = 3

_Found = TypeVar("_Found")


@dataclass(frozen=True)
class Pair:
    """Two images that should be equal, and the service of the compose file that they run as."""

    service: str
    images: tuple[str, str]


def compare(pairs: Sequence[Pair], sides: tuple[Side, Side], allowances: Allowances) -> dict[Pair, list[Row]]:
    """Observe both images of each pair, at rest and running on both sides; return a row for each point.

    Raises:
        NexusError: the engine failed, or what the services depend on did not become healthy.
    """
    services = [pair.service for pair in pairs]
    with behaviour.alone(), ExitStack() as stack, ThreadPoolExecutor(len(sides)) as pool:
        started = [pool.submit(stack.enter_context, behaviour.running(side, services)) for side in sides]
        # Meanwhile: reading file systems uses less CPU than starting.
        for_pair = {pair: allowances.begin(pair.images[0]) for pair in pairs}
        rows = {pair: compare_contents(pair, for_pair[pair]) for pair in pairs}
        for future in started:
            future.result()
        # All are observed before any is restarted, and restarted before any is stopped: services depend on each other.
        seen = [_both(behaviour.observe, service, sides, pool) for service in services]
        starts = [[_both(behaviour.start, service, sides, pool) for _ in range(STARTS)] for service in services]
        ends = [_both(behaviour.stop, service, sides, pool) for service in services]
        for place, pair in enumerate(pairs):
            rows[pair] += _behaviour_rows(seen[place], starts[place], ends[place], for_pair[pair])
        return rows


def _both(
    task: Callable[[Side, str], _Found], service: str, sides: Sequence[Side], pool: ThreadPoolExecutor
) -> list[_Found]:
    """Run a task on both sides at the same time, so that both see the same load."""
    return list(pool.map(task, sides, [service] * len(sides)))


def compare_contents(pair: Pair, allowances: Allowances) -> list[Row]:
    """Return the rows for content and metadata of two images; neither is started."""
    (left, left_size), (right, right_size) = (_contents(image, allowances) for image in pair.images)
    return [*_rows(left, right, allowances), SIZE.compare(left_size, right_size)]


def _contents(image: str, allowances: Allowances) -> tuple[Facts, float]:
    document = json.loads(shell.capture(["docker", "image", "inspect", image]))[0]
    packages = tuple(path for same in allowances.same for path in (same.left, same.right))
    facts = filesystem.observe(document["Id"], document["Config"]["WorkingDir"], packages)
    return {**facts, **metadata.observe(document)}, metadata.megabytes(document)


def _behaviour_rows(
    seen: Sequence[Facts], starts: Sequence[Sequence[Start]], ends: Sequence[Facts], allowances: Allowances
) -> list[Row]:
    left, right = ({**facts, **end} for facts, end in zip(seen, ends, strict=True))
    of_sides = list(zip(*starts, strict=True))
    return [
        *_rows(left, right, allowances),
        MEMORY.compare(*(of_side[-1].memory for of_side in of_sides)),
        START.compare(*map(_mean_seconds, of_sides)),
    ]


def _mean_seconds(starts: Sequence[Start]) -> float | None:
    seconds = [start.seconds for start in starts if start.seconds is not None]
    return fmean(seconds) if seconds else None


def _rows(left: Facts, right: Facts, allowances: Allowances) -> list[Row]:
    renamed = allowances.rename(left)
    return [_row(point, renamed, right, allowances) for point in dict.fromkeys([*renamed, *right])]


def _row(point: str, left: Facts, right: Facts, allowances: Allowances) -> Row:
    ours, theirs = left.get(point, {}), right.get(point, {})
    found = tuple(allowances.judge(point, difference) for difference in differences(ours, theirs))
    return Row(point, in_short(ours), in_short(theirs), verdict(found), found)
