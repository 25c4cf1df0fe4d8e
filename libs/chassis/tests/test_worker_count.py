import os
from collections.abc import Callable
from pathlib import Path

import pytest

from nexus_chassis.settings import ServiceSettings
from nexus_chassis.worker_count import WORKER_BYTES, automatic_workers

MIB = 1024 * 1024
V2 = ("cpu.max", "memory.max")
V1 = ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us", "memory/memory.limit_in_bytes")

type Limits = Callable[..., Path]


@pytest.fixture
def limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Limits:
    """Makes a folder of control groups, on a machine with eight CPUs."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))

    def make(names: tuple[str, ...], *contents: object) -> Path:
        for name, content in zip(names, contents, strict=True):
            path = tmp_path / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(f"{content}\n")
        return tmp_path

    return make


@pytest.mark.parametrize(
    ("cpus", "workers"), [("100000 100000", 1), ("150000 100000", 2), ("20000 100000", 1), ("400000 100000", 4)]
)
def test_there_is_a_worker_for_each_cpu_or_part_of_one(limits: Limits, cpus: str, workers: int) -> None:
    assert automatic_workers(limits(V2, cpus, 4096 * MIB)) == workers


def test_the_memory_limits_them(limits: Limits) -> None:
    assert automatic_workers(limits(V2, "600000 100000", 3 * WORKER_BYTES + 1)) == 3


def test_there_is_one_at_least(limits: Limits) -> None:
    assert automatic_workers(limits(V2, "600000 100000", 64 * MIB)) == 1


@pytest.mark.parametrize("contents", [("150000", "100000", 4096 * MIB), ("150000", "100000", 9223372036854771712)])
def test_control_groups_of_version_1_limit_them_too(limits: Limits, contents: tuple[object, ...]) -> None:
    assert automatic_workers(limits(V1, *contents)) == 2


@pytest.mark.parametrize(("names", "contents"), [(V2, ("max 100000", "max")), (V1, (-1, 100000, 9223372036854771712))])
def test_without_a_limit_the_machine_has_one(
    limits: Limits, monkeypatch: pytest.MonkeyPatch, names: tuple[str, ...], contents: tuple[object, ...]
) -> None:
    monkeypatch.setattr(os, "sysconf", {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 5 * WORKER_BYTES // 4096}.__getitem__)

    assert automatic_workers(limits(names, *contents)) == 5


def test_the_cpus_that_the_process_may_run_on_limit_them(limits: Limits, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3})

    assert automatic_workers(limits(V2, "400000 100000", "max")) == 1


def test_the_setting_is_a_number_or_auto(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nexus_chassis.settings.automatic_workers", lambda: 7)

    found = []
    for value in ("3", "auto"):
        monkeypatch.setenv("WEB_CONCURRENCY", value)
        found.append(ServiceSettings().workers)
    assert found == [3, 7]


@pytest.mark.parametrize("value", ["0", "-1", "1.5", "many", "\u0663"])
def test_anything_else_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("WEB_CONCURRENCY", value)

    with pytest.raises(ValueError, match=f"'{value}' is neither 'auto' nor a whole number above 0."):
        ServiceSettings()
