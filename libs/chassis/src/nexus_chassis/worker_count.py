"""How many worker processes suit the CPU and the memory that a container may use (control groups, version 2 or 1)."""

import os
from math import ceil
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BeforeValidator

AUTO: Final = "auto"
WORKER_BYTES = 256 * 1024 * 1024
"""Memory that one worker process may take under load: 80 MiB, two passwords being hashed, and bodies in flight."""

_CGROUP = Path("/sys/fs/cgroup")


def _worker_count(value: object) -> object:
    if value == AUTO or (str(value).isascii() and str(value).isdigit() and int(str(value)) > 0):
        return value if value == AUTO else int(str(value))
    raise ValueError(f"{value!r} is neither {AUTO!r} nor a whole number above 0.")


WorkerCount = Annotated[int | Literal["auto"], BeforeValidator(_worker_count)]
"""A number of worker processes, or `auto`."""


def automatic_workers(cgroup: Path = _CGROUP) -> int:
    """One worker for each CPU that may be used, parts counting as whole ones, as far as the memory suffices."""
    cpus = ceil(min(_cpu_limit(cgroup), len(os.sched_getaffinity(0))))
    return max(1, min(cpus, _memory_limit(cgroup) // WORKER_BYTES))


def _cpu_limit(cgroup: Path) -> float:
    """CPUs, of which there may be a part; infinite without a limit."""
    quota, period = _read(cgroup / "cpu.max", "max 100000").split()
    if quota == "max":
        quota = _read(cgroup / "cpu" / "cpu.cfs_quota_us", "-1")
        period = _read(cgroup / "cpu" / "cpu.cfs_period_us", "100000")
    return int(quota) / int(period) if quota.isdigit() else float("inf")


def _memory_limit(cgroup: Path) -> int:
    """Bytes; without a limit, all that the machine has."""
    limits = [_read(cgroup / "memory.max", "max"), _read(cgroup / "memory" / "memory.limit_in_bytes", "max")]
    installed = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min([installed, *(int(limit) for limit in limits if limit.isdigit())])


def _read(path: Path, default: str) -> str:
    try:
        return path.read_text("ascii").strip()
    except OSError:
        return default
