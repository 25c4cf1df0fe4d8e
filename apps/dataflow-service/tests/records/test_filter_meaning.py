"""Generated filters, orders and aggregates mean the same to the service as to an oracle in Python."""

import asyncio
import json
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import localcontext
from typing import Any

import asyncpg
import pytest
from conftest import MakeSettings
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from samples import INJECTIONS, PATHS, POOLS, ROWS, TABLE, Sample, in_order, insert, matches, read, samples
from tenants import ME

from dataflow_service.records import encoding, query_parsing
from dataflow_service.records.query import GroupQuery
from dataflow_service.records.service import RecordService
from dataflow_service.registry import loader
from dataflow_service.registry.model import Model
from nexus_chassis import strict_json
from nexus_chassis.postgres import create_pool
from nexus_chassis.unit_of_work import Database

EXAMPLES = int(os.environ.get("DATAFLOW_TEST_FILTERS", "200"))
"""Generated filters; `make prove` runs 20,000 (benchmarks/test_many_filters.py). Orders and aggregates have half as many."""

SETTINGS = settings(
    max_examples=EXAMPLES,
    phases=[Phase.generate, Phase.shrink],
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
PAGES = settings(SETTINGS, max_examples=EXAMPLES // 2)

ORDERED = [name for name in POOLS if name != "document"]


@dataclass
class Bench:
    """A service of rows without HTTP, with a loop of its own."""

    model: Model
    records: RecordService
    rows: list[Sample]
    runner: asyncio.Runner

    def ids(self, **query: Any) -> list[int]:  # noqa: ANN401 - parts of a query
        """The ids of all pages of a query, in the order of the answers."""
        ids: list[int] = []
        after: str | None = None
        while True:
            body = {**query, "fields": ["id"], "after": after}
            page = json.loads(self._answer(json.dumps(body)))
            ids += [row["id"] for row in page["items"]]
            if (after := page["next"]) is None:
                return ids

    def _answer(self, text: str) -> bytes:
        query = query_parsing.of_body(self.model, strict_json.loads(text, decimals=True))
        assert not isinstance(query, GroupQuery)
        return encoding.page_json(self.runner.run(self.records.read_page(ME, self.model, query)))

    def groups(self, **query: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - parts of a query
        """The groups of all pages of a query."""
        found: list[dict[str, Any]] = []
        after: str | None = None
        while True:
            body = query_parsing.of_body(self.model, {**query, "after": after})
            assert isinstance(body, GroupQuery)
            groups = self.runner.run(self.records.read_groups(ME, self.model, body))
            page = json.loads(encoding.groups_json(groups))
            found += page["items"]
            if (after := page["next"]) is None:
                return found

    def count(self, document: object) -> int:
        """The number of rows of a filter in an address."""
        wanted = query_parsing.wanted_of_address(self.model, json.dumps(document))
        return self.runner.run(self.records.count(ME, self.model, *wanted))


@pytest.fixture
def bench(make_settings: MakeSettings, postgres_url: str, model_packages: None) -> Iterator[Bench]:  # noqa: ARG001 - needed for its effect
    rows = samples(ROWS)
    with asyncio.Runner() as runner:
        runner.run(_fill(postgres_url, rows))
        database = Database(create_pool(make_settings(), row_security=True))
        model = loader.load("nullable_types").named("Sample")
        yield Bench(model, RecordService(database, lambda: None, read_seconds=10), rows, runner)
        runner.run(database.close())


async def _fill(postgres_url: str, rows: list[Sample]) -> None:
    connection = await asyncpg.connect(postgres_url)
    await connection.execute(TABLE)
    await insert(connection, rows)
    await connection.close()


def _operators(name: str) -> st.SearchStrategy[Any]:
    value = st.sampled_from(POOLS[name])
    some = {
        **dict.fromkeys(("$eq", "$ne"), st.none() | value),
        **dict.fromkeys(("$gt", "$gte", "$lt", "$lte"), value),
        **dict.fromkeys(("$in", "$nin"), st.lists(value, max_size=4)),
        "$null": st.booleans(),
    }
    if name == "text":
        some |= dict.fromkeys(("$like", "$ilike"), _patterns)
    return _choice(some) | value | st.none()


def _choice(operators: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[Any]:
    chosen = st.lists(st.sampled_from(sorted(operators)), min_size=1, max_size=2, unique=True)
    return chosen.flatmap(lambda names: st.fixed_dictionaries({name: operators[name] for name in names}))


_pieces = st.sampled_from(["%", "_", "\\%", "\\_", "\\\\", "\\a", "a", "B", "b", "Ä", "\n", "'", '"', "\U0001f529"])
_patterns = st.lists(_pieces, max_size=5).map("".join)
_documents = st.sampled_from(POOLS["document"])
_inner = st.sampled_from([1, 1.0, True, "1", "x", {"b": [1, "x", None]}, [1, "x", None], {}, INJECTIONS[1]])


def _json_operators(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return _choice({"$eq": st.none() | values, "$ne": st.none() | values, "$null": st.booleans()}) | st.none()


_OF_FIELDS = {
    **{name: _operators(name) for name in ORDERED},
    "document": _json_operators(_documents),
    **{path: _json_operators(_inner) for path in PATHS},
}
_leaves = st.lists(st.sampled_from(sorted(_OF_FIELDS)), max_size=2, unique=True).flatmap(
    lambda names: st.fixed_dictionaries({name: _OF_FIELDS[name] for name in names})
)


def _combined(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    several = st.lists(inner, max_size=3)
    return _choice({"$and": several, "$or": several, "$not": inner})


def _depth(document: object) -> int:
    if isinstance(document, list):
        return max(map(_depth, document), default=0)
    if not isinstance(document, dict):
        return 0
    return max(((name in {"$and", "$or", "$not"}) + _depth(value) for name, value in document.items()), default=0)


def _nested(parts: tuple[dict[str, Any], list[str]]) -> dict[str, Any]:
    document, operators = parts
    for operator in operators:
        document = {operator: document if operator == "$not" else [document]}
    return document


_deep = st.tuples(_leaves, st.lists(st.sampled_from(["$and", "$or", "$not"]), min_size=5, max_size=8)).map(_nested)
FILTERS = st.recursive(_leaves, _combined, max_leaves=12).filter(lambda document: _depth(document) <= 8) | _deep


def test_a_filter_means_what_the_oracle_says(bench: Bench) -> None:
    seen = {"none": 0, "some": 0, "all": 0}
    depths: set[int] = set()

    @SETTINGS
    @given(FILTERS)
    def check(document: dict[str, Any]) -> None:
        expected = [row["id"] for row in bench.rows if matches(row, document)]
        assert bench.ids(filter=document, limit=1000) == expected
        assert bench.count(document) == len(expected)
        seen["all" if len(expected) == ROWS else "some" if expected else "none"] += 1
        depths.add(_depth(document))

    check()
    assert min(seen.values()) > EXAMPLES // 50  # the filters are of all kinds
    assert max(depths) == 8
    sys.stdout.write(f"\n{sum(seen.values())} filters equal to the oracle\n")


_orders = st.lists(st.sampled_from(["id", "created_at", *ORDERED]), min_size=1, max_size=4, unique=True).flatmap(
    lambda names: st.tuples(*(st.sampled_from([name, f"-{name}"]) for name in names))
)


def test_pages_in_any_order_have_each_row_once(bench: Bench) -> None:
    rows = [
        {**row, "created_at": None} for row in bench.rows
    ]  # the same moment in all of them: they were inserted at once

    @PAGES
    @given(_orders, st.integers(1, 25), st.just({}) | _leaves)
    def check(order: tuple[str, ...], limit: int, document: dict[str, Any]) -> None:
        chosen = [row for row in rows if matches(row, document)]
        expected = [row["id"] for row in in_order(in_order(chosen, ["id"]), order)]
        assert bench.ids(filter=document, order=list(order), limit=limit) == expected

    check()


_groupings = st.lists(st.sampled_from(ORDERED), max_size=3, unique=True)
AGGREGATES = {"count": "*", "sum": ["whole", "exact"], "min": ["text", "moment", "whole"], "max": "day,real,exact"}


def test_aggregates_of_groups_are_those_of_the_oracle(bench: Bench) -> None:
    @PAGES
    @given(_groupings, st.integers(1, 25), st.just({}) | _leaves)
    def check(group_by: list[str], limit: int, document: dict[str, Any]) -> None:
        found = bench.groups(aggregates=AGGREGATES, group_by=group_by, limit=limit, filter=document)
        chosen = [row for row in bench.rows if matches(row, document)]
        assert [_readable(group, group_by) for group in found] == _groups(chosen, group_by)

    check()


def _readable(group: dict[str, Any], group_by: list[str]) -> dict[str, Any]:
    shared = {name: read(name, group["group"][name]) for name in group_by}
    values = {function: {name: read(name, value) for name, value in group[function].items()} for function in AGGREGATES}
    return {"group": shared} | values


def _groups(rows: list[Sample], group_by: list[str]) -> list[dict[str, Any]]:
    grouped: dict[tuple[Any, ...], list[Sample]] = {} if group_by else {(): []}
    for row in in_order(rows, group_by):
        grouped.setdefault(tuple(read(name, row[name]) for name in group_by), []).append(row)
    return [
        {
            "group": dict(zip(group_by, shared, strict=True)),
            "count": {"*": len(members)},
            "sum": {name: _of(sum, name, members) for name in ("whole", "exact")},
            "min": {name: _of(min, name, members) for name in ("text", "moment", "whole")},
            "max": {name: _of(max, name, members) for name in ("day", "real", "exact")},
        }
        for shared, members in grouped.items()
    ]


def _of(function: Callable[[list[Any]], Any], name: str, members: list[Sample]) -> Any:  # noqa: ANN401 - of the field's type
    values = [read(name, row[name]) for row in members if row[name] is not None]
    with localcontext(prec=100):
        return function(values) if values else None
