"""Generated filters of lists mean the same to the service as to an oracle in Python."""

import asyncio
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest
from conftest import MakeSettings, make_tables
from hypothesis import given
from hypothesis import strategies as st
from samples import INJECTIONS, POOLS, Sample, matches
from tenants import ME
from test_filter_meaning import EXAMPLES, SETTINGS, Bench

from dataflow_service.records import parsing
from dataflow_service.records.service import RecordService
from dataflow_service.registry import loader
from dataflow_service.registry.model import Model
from nexus_chassis.postgres import create_pool
from nexus_chassis.unit_of_work import Database

ELEMENTS: Mapping[str, Sequence[Any]] = {
    "texts": ["", "a", "A", "NULL", "a,b", '"', "{a}", "\\", "\n", *INJECTIONS],
    "flags": POOLS["flag"],
    "wholes": POOLS["whole"],
    "reals": POOLS["real"],
    "exacts": POOLS["exact"],
    "moments": POOLS["moment"],
    "days": POOLS["day"],
    "keys": POOLS["key"],
}
ROWS = 40


def _lists(elements: Sequence[Any]) -> list[Any]:
    """Lists that differ little, and null."""
    first, second, *_ = elements
    return [[], [first], [second], [first, second], [second, first], [first, first], list(elements), None]


LISTS = {name: _lists(elements) for name, elements in ELEMENTS.items()}


def _rows() -> list[Sample]:
    return [
        {"id": number + 1}
        | {
            name: pool[(number // len(pool) + number * step) % len(pool)]
            for step, (name, pool) in enumerate(LISTS.items(), 1)
        }
        for number in range(ROWS)
    ]


@pytest.fixture
def bench(make_settings: MakeSettings, model_packages: None) -> Iterator[Bench]:  # noqa: ARG001 - needed for its effect
    settings = make_settings(models="nullable_lists")
    with asyncio.Runner() as runner:
        runner.run(make_tables(settings))
        database = Database(create_pool(settings, row_security=True))
        records = RecordService(database, lambda: None, read_seconds=10)
        model = loader.load("nullable_lists").named("ListSample")
        runner.run(_insert(records, model))
        yield Bench(model, records, _rows(), runner)
        runner.run(database.close())


async def _insert(records: RecordService, model: Model) -> None:
    documents = [{name: value for name, value in row.items() if name != "id"} for row in _rows()]
    async with records.writing(ME) as writer:
        await writer.create_many(model, parsing.new_rows(model, documents))


def _operators(name: str) -> st.SearchStrategy[Any]:
    value = st.sampled_from(LISTS[name]) | st.lists(st.sampled_from(ELEMENTS[name]), max_size=3)
    one = st.one_of(
        *(st.fixed_dictionaries({operator: value}) for operator in ("$eq", "$ne")),
        st.fixed_dictionaries({"$null": st.booleans()}),
        st.fixed_dictionaries({"$eq": value, "$ne": value}),
    )
    return one | value


_leaves = st.sampled_from(sorted(LISTS)).flatmap(lambda name: st.fixed_dictionaries({name: _operators(name)}))


def _combined(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    several = st.lists(inner, max_size=3)
    return st.one_of(
        *(st.fixed_dictionaries({operator: several}) for operator in ("$and", "$or")),
        st.fixed_dictionaries({"$not": inner}),
    )


def test_a_filter_of_lists_means_what_the_oracle_says(bench: Bench) -> None:
    seen = {"none": 0, "some": 0, "all": 0}

    @SETTINGS
    @given(st.recursive(_leaves, _combined, max_leaves=5))
    def check(document: dict[str, Any]) -> None:
        expected = [row["id"] for row in bench.rows if matches(row, document)]
        assert bench.ids(filter=document, limit=1000) == expected
        assert bench.count(document) == len(expected)
        seen["all" if len(expected) == ROWS else "some" if expected else "none"] += 1

    check()
    assert min(seen.values()) > EXAMPLES // 50  # the filters are of all kinds
    sys.stdout.write(f"\n{sum(seen.values())} filters of lists equal to the oracle\n")
