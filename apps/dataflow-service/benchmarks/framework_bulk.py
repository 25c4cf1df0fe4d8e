"""Writes rows by the framework's own bulk node, in a process of its own: prints the seconds that it takes.

python framework_bulk.py URL ROWS
"""

import asyncio
import logging
import os
import sys
import time
import warnings
from typing import Any

from dataflow import DataFlow  # type: ignore[import-untyped]  # the framework has no types

warnings.simplefilter("ignore")
logging.disable(logging.CRITICAL)

OPTIONS = {
    "auto_migrate": False,
    "migration_enabled": False,
    "enable_model_persistence": False,
    "cache_enabled": False,
    "pool_size": 1,
    "max_overflow": 0,
}


async def main(url: str, number: int) -> None:
    """Write the rows that the other ways write."""
    from bulk import COLUMNS, rows  # noqa: PLC0415 - its import is not what is measured

    db = DataFlow(url, **OPTIONS)

    @db.model
    class Product:
        id: int
        name: str
        description: str
        sku: str
        supplier: str

    node: Any = db._nodes["ProductBulkCreateNode"]  # noqa: SLF001 - as the framework's own tests do
    await node().execute_async(data=[dict.fromkeys(COLUMNS, "the first")])  # it connects
    values = [dict(zip(COLUMNS, row, strict=True)) for row in rows(number)]
    started = time.perf_counter()
    outcome = await node().execute_async(data=values)
    seconds = time.perf_counter() - started
    if not outcome.get("success"):
        raise SystemExit(f"The framework's node returned {outcome!r:.300}.")
    sys.stdout.write(f"{seconds}")
    sys.stdout.flush()
    os._exit(0)  # the framework's threads and pools stay behind


asyncio.run(main(sys.argv[1], int(sys.argv[2])))
