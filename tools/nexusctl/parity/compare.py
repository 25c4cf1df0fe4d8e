"""Comparing pairs of images: both are observed, then judged point by point."""

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass

from nexusctl import shell
from nexusctl.parity import behaviour, filesystem, metadata
from nexusctl.parity.allowances import Allowances
from nexusctl.parity.behaviour import Restart, Side
from nexusctl.parity.facts import Facts, Measure, Row, differences, in_short, verdict

SIZE = Measure("image size", "MB", share=0.05, margin=10)
MEMORY = Measure("memory", "MB", share=0.1, margin=10)
START = Measure("start to first 200", "s")
RESTARTS = 3


@dataclass(frozen=True)
class Pair:
    """Two images that ought to be the same, and the service of the compose file as which they run."""

    service: str
    images: tuple[str, str]


@dataclass(frozen=True)
class _Observation:
    facts: Facts
    size: float
    start: float | None
    memory: float | None


def compare(pairs: Sequence[Pair], sides: tuple[Side, Side], allowances: Allowances) -> dict[Pair, list[Row]]:
    """Observe both images of each pair; return a row for each point.

    Raises:
        NexusError: the engine failed, or what the services depend on did not become healthy.
    """
    services = [pair.service for pair in pairs]
    with behaviour.alone(), ExitStack() as stack, ThreadPoolExecutor(len(sides)) as pool:
        started = [pool.submit(stack.enter_context, behaviour.running(side, services)) for side in sides]
        # Meanwhile: reading file systems takes less of the processors than starting does.
        for_pair = {pair: allowances.begin(pair.images[0]) for pair in pairs}
        held = {pair: [_contents(image, for_pair[pair]) for image in pair.images] for pair in pairs}
        for future in started:
            future.result()
        rows = {}
        for pair in pairs:
            does = list(pool.map(behaviour.observe, sides, [pair.service] * len(sides)))
            restarts = [list(pool.map(behaviour.restart, sides, [pair.service] * len(sides))) for _ in range(RESTARTS)]
            left, right = map(_observation, held[pair], does, zip(*restarts, strict=True))
            rows[pair] = _rows(left, right, for_pair[pair])
        return rows


def _contents(image: str, allowances: Allowances) -> tuple[Facts, float]:
    """Return what an image holds and says of itself, and its size in MB."""
    document = json.loads(shell.capture(["docker", "image", "inspect", image]))[0]
    packages = tuple(path for same in allowances.same for path in (same.left, same.right))
    facts = filesystem.observe(document["Id"], document["Config"]["WorkingDir"], packages)
    return {**facts, **metadata.observe(document)}, metadata.megabytes(document)


def _observation(contents: tuple[Facts, float], does: Facts, restarts: Sequence[Restart]) -> _Observation:
    facts, size = contents
    times = [restart.seconds for restart in restarts if restart.seconds is not None]
    # The quickest is the one that other work on the machine disturbed least.
    start = min(times, default=None)
    return _Observation({**facts, **does, **restarts[-1].stopped}, size, start, restarts[-1].memory)


def _rows(left: _Observation, right: _Observation, allowances: Allowances) -> list[Row]:
    renamed = allowances.rename(left.facts)
    points = dict.fromkeys([*renamed, *right.facts])
    rows = [_row(point, renamed, right.facts, allowances) for point in points]
    rows += [SIZE.compare(left.size, right.size), MEMORY.compare(left.memory, right.memory)]
    return [*rows, START.compare(left.start, right.start)]


def _row(point: str, left: Facts, right: Facts, allowances: Allowances) -> Row:
    ours, theirs = left.get(point, {}), right.get(point, {})
    found = tuple(allowances.judge(point, difference) for difference in differences(ours, theirs))
    return Row(point, in_short(ours), in_short(theirs), verdict(found), found)
