"""`classify --engine ray`: the rows of a file are classified by Ray Data on the nodes of a cluster.

Each node has this package, with the extra `ray`, and the same settings; the file is on the machine of the command alone.
"""

import asyncio
import logging
import os
import socket
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from classification_service.errors import ClassificationServiceError
from classification_service.jobs.chunks import cut, pack_outcomes, pack_rows, unpack_outcomes, unpack_rows
from classification_service.jobs.local import ChunkClassifier, open_source
from classification_service.jobs.models import JobOptions, Layout, Outcome, Row
from classification_service.opened import opened
from classification_service.settings import Settings
from nexus_chassis.settings import load

try:
    import pyarrow as pa  # type: ignore[import-not-found]  # an extra, as Ray is
    import ray  # type: ignore[import-not-found]
    from ray.data import DataContext, Dataset, Datasource, ReadTask  # type: ignore[import-not-found]
    from ray.data.block import BlockMetadata  # type: ignore[import-not-found]
    from ray.exceptions import RayError  # type: ignore[import-not-found]
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy  # type: ignore[import-not-found]
except ModuleNotFoundError as error:
    raise ClassificationServiceError(
        f"The engine ray needs the package {error.name}. Install classification-service with its extra `ray`."
    ) from None

_CONNECT_SECONDS = 5
_BLOCK_BYTES = 64 * 1024  # about a chunk, so that each goes to the process that is free


class _Chunks(Datasource):  # type: ignore[misc]  # Ray has no types
    """The chunks of a table, read one after the other."""

    def __init__(self, source: Path, options: JobOptions) -> None:
        super().__init__()
        self._read = partial(_packed, source, options)

    def estimate_inmemory_data_size(self) -> None:
        """Unknown: the file is not looked through."""

    def get_read_tasks(self, _parallelism: int, *_: object, **__: object) -> list[ReadTask]:
        """One task, because a table is read from its beginning."""
        unknown = BlockMetadata(num_rows=None, size_bytes=None, input_files=None, exec_stats=None)
        return [ReadTask(self._read, unknown)]


def _packed(source: Path, options: JobOptions) -> Iterator[pa.Table]:
    with open_source(source, options) as table:
        for rows in cut(table.rows()):
            yield pa.table({"rows": [pack_rows(rows)]})


class _Worker:
    """A process of the cluster, with a classifier of its own."""

    def __init__(self, layout: Layout, options: JobOptions, tenant: str) -> None:
        self._runner = asyncio.Runner()
        self._opened = opened(load(Settings), (options.taxonomy, options.version), options.language)
        found = self._runner.run(self._opened.__aenter__())
        self._classifier = ChunkClassifier(layout, options, found.classify(), tenant)

    def __call__(self, batch: pa.Table) -> pa.Table:
        """Add the outcomes to chunks."""
        packed = batch.column("rows").to_pylist()
        outcomes = [self._runner.run(self._classifier.outcomes(unpack_rows(chunk))) for chunk in packed]
        return pa.table({"rows": packed, "outcomes": [pack_outcomes(of_chunk) for of_chunk in outcomes]})


async def answered(
    source: Path, layout: Layout, options: JobOptions, tenant: str
) -> AsyncIterator[tuple[list[Row], list[Outcome]]]:
    """The chunks of a table in their order, each with its outcomes; raises ClassificationServiceError."""
    try:
        await asyncio.to_thread(_connect)
        found = await asyncio.to_thread(lambda: iter(_dataset(source, layout, options, tenant).iter_rows()))
        while (row := await asyncio.to_thread(next, found, None)) is not None:
            yield unpack_rows(row["rows"]), unpack_outcomes(row["outcomes"])
    except (RayError, OSError) as error:
        raise ClassificationServiceError(f"The Ray cluster did not finish the work: {_reason(error)}") from None
    finally:
        ray.shutdown()


def _connect() -> None:
    """Join the cluster at RAY_ADDRESS, or begin one on this machine."""
    host, colon, port = os.environ.get("RAY_ADDRESS", "").rpartition(":")
    if colon and port.isdigit():  # Ray itself tries for many minutes
        socket.create_connection((host, int(port)), _CONNECT_SECONDS).close()
    ray.init(log_to_driver=False, logging_level=logging.ERROR)
    context = DataContext.get_current()
    context.execution_options.preserve_order = True
    context.enable_progress_bars = False
    context.target_max_block_size = _BLOCK_BYTES


def _dataset(source: Path, layout: Layout, options: JobOptions, tenant: str) -> Dataset:
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    chunks = ray.data.read_datasource(
        _Chunks(source.absolute(), options), ray_remote_args={"scheduling_strategy": here, "num_cpus": 0}
    )
    return chunks.map_batches(
        _Worker,
        fn_constructor_args=(layout, options, tenant),
        batch_size=1,
        batch_format="pyarrow",
        concurrency=max(1, int(ray.cluster_resources().get("CPU", 1))),
    )


def _reason(error: Exception) -> str:
    lines: list[Any] = str(error).strip().splitlines() or [type(error).__name__]
    return str(lines[-1])
