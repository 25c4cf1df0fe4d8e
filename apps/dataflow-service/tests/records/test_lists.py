"""A list comes back as it was sent, however it was written; what is in it follows the rules of single values."""

import asyncio
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import aiohttp
import asyncpg
import pytest
from answers import JSON, invalid, problem
from conftest import MakeSettings, make_tables
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from offers import LISTS, answered
from tenants import ME

from dataflow_service.records import encoding, parsing
from dataflow_service.records.repository import Row
from dataflow_service.records.service import RecordService
from dataflow_service.registry import loader
from dataflow_service.registry.model import Model
from nexus_chassis import strict_json
from nexus_chassis.postgres import create_pool
from nexus_chassis.unit_of_work import Database

ANSWERED = {name: answered(name, values) for name, values in LISTS.items()}
EMPTY: dict[str, list[Any]] = {name: [] for name in LISTS}


def _lists(row: dict[str, Any]) -> str:
    """The lists of a row, with the sign of zeros."""
    return json.dumps({name: row[name] for name in LISTS})


async def _run(client: aiohttp.ClientSession, operation: str, **parameters: object) -> dict[str, Any]:
    response = await client.post(f"/v1/nodes/Offer{operation}Node/execute", json={"parameters": parameters})
    assert response.status == 200, await response.text()
    result: dict[str, Any] = await response.json()
    return result


async def _rows(client: aiohttp.ClientSession) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = (await (await client.get("/v1/offer?order=name")).json())["items"]
    return items


async def test_lists_come_back_however_they_were_written(offers: aiohttp.ClientSession) -> None:
    full, expected, empty = dict(LISTS), _lists(ANSWERED), _lists(EMPTY)
    created = await (await offers.post("/v1/offer", json={"name": "0", **full})).json()
    assert _lists(created) == expected
    await offers.post("/v1/offer/bulk", json=[{"name": "1", **full}, {"name": "2", **EMPTY}, {"name": "3", **full}])
    await _run(offers, "BulkCreate", data=[{"name": "4", **full}])
    await _run(offers, "Upsert", where={"name": "5"}, create=full, update=full)
    await _run(offers, "BulkUpsert", data=[{"name": "6", **full}, {"name": "2", **full}], conflict_on=["name"])
    rows = await _rows(offers)
    assert [_lists(row) for row in rows] == [expected] * 7
    ids = [row["id"] for row in rows]
    for response in (
        await offers.patch(f"/v1/offer/{ids[0]}", json=EMPTY),
        await offers.put(f"/v1/offer/{ids[1]}", json={"name": "1", **EMPTY}),
    ):
        assert _lists(await response.json()) == empty
    await _run(offers, "Update", id=ids[2], fields=EMPTY)
    await _run(offers, "BulkUpdate", data=[{"id": ids[3], **EMPTY}, {"id": ids[4], **EMPTY}])
    await _run(offers, "BulkUpdate", filter={"name": {"$gte": "5"}}, fields=EMPTY)
    assert [_lists(row) for row in await _rows(offers)] == [empty] * 7
    await _run(offers, "BulkUpdate", data=[{"id": row_id, **full} for row_id in ids])
    assert [_lists(row) for row in await _rows(offers)] == [expected] * 7


async def test_the_columns_of_lists_are_arrays(offers: aiohttp.ClientSession, database: asyncpg.Connection) -> None:
    types = await database.fetch(
        "SELECT attname::text, format_type(atttypid, atttypmod) FROM pg_attribute "
        "WHERE attrelid = 'offers'::regclass AND attname = ANY ($1) ORDER BY attnum",
        list(LISTS),
    )
    assert dict(map(tuple, types)) == {
        "texts": "text[]",
        "wholes": "bigint[]",
        "reals": "double precision[]",
        "flags": "boolean[]",
        "exacts": "numeric[]",
        "moments": "timestamp with time zone[]",
        "days": "date[]",
        "keys": "uuid[]",
        "colours": "text[]",
    }
    await offers.post("/v1/offer", json={"name": "x", "few": []})
    await offers.post("/v1/offer/bulk", json=[{"name": "y", "few": []}, {"name": "z", "few": None}])
    stored = await database.fetch("SELECT name, few, texts, colours FROM offers ORDER BY name")
    assert [tuple(row) for row in stored] == [("x", [], [], ["red"]), ("y", [], [], ["red"]), ("z", None, [], ["red"])]


@dataclass
class Bench:
    """A service of rows without HTTP, with a loop of its own."""

    model: Model
    records: RecordService
    runner: asyncio.Runner
    rows: int = 0

    def create(self, row: dict[str, Any]) -> dict[str, Any]:
        """The row as it is answered."""
        (values,) = self._values([row])
        created: dict[str, Any] = json.loads(encoding.row_json(self.model, self.runner.run(self._create(values))))
        return created

    async def _create(self, values: parsing.Values) -> Row:
        async with self.records.writing(ME) as rows:
            return await rows.create(self.model, values)

    def create_many(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The rows as they are answered."""
        ids = self.runner.run(self._create_many(self._values(rows)))
        found = [self.runner.run(self.records.read(ME, self.model, row_id)) for row_id in ids]
        return [json.loads(encoding.row_json(self.model, row)) for row in found]

    async def _create_many(self, values: list[parsing.Values]) -> list[Any]:
        async with self.records.writing(ME) as rows:
            return await rows.create_many(self.model, values)

    def _values(self, rows: list[dict[str, Any]]) -> list[parsing.Values]:
        named = [{"name": str(number), **row} for number, row in enumerate(rows, self.rows)]
        self.rows += len(rows)
        return parsing.new_rows(self.model, strict_json.loads(json.dumps(named), decimals=True))


@pytest.fixture
def bench(make_settings: MakeSettings, model_packages: None) -> Iterator[Bench]:  # noqa: ARG001 - needed for its effect
    settings = make_settings(models="rich_types")
    with asyncio.Runner() as runner:
        runner.run(make_tables(settings))
        database = Database(create_pool(settings, row_security=True))
        model = loader.load("rich_types").named("Offer")
        yield Bench(model, RecordService(database, lambda: None, read_seconds=10), runner)
        runner.run(database.close())


_SETTINGS = settings(
    max_examples=100,
    phases=[Phase.generate, Phase.shrink],
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
_texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]) | st.sampled_from('"\\{},NUL '))
_decimals = st.tuples(st.integers(-(10**60), 10**60), st.integers(0, 40)).map(
    lambda parts: Decimal(f"{parts[0]}e-{parts[1]}")
)
_GENERATED = {
    **{name: st.lists(st.sampled_from(values), max_size=4) for name, values in LISTS.items()},
    "texts": st.lists(_texts, max_size=5),
    "wholes": st.lists(st.integers(-(2**63), 2**63 - 1), max_size=5),
    "reals": st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=5),
    "exacts": st.lists(_decimals.map(str), max_size=5),
    "keys": st.lists(st.uuids().map(str), max_size=5),
}


def test_generated_lists_come_back_one_by_one_and_in_bulk(bench: Bench) -> None:
    @_SETTINGS
    @given(st.lists(st.fixed_dictionaries(_GENERATED), min_size=1, max_size=4))
    def check(rows: list[dict[str, Any]]) -> None:
        expected = [_lists({name: answered(name, values) for name, values in row.items()}) for row in rows]
        assert [_lists(row) for row in bench.create_many(rows)] == expected
        assert _lists(bench.create(rows[0])) == expected[0]

    check()


@pytest.mark.parametrize(
    ("field", "value", "place", "fault"),
    [
        ("texts", ["a", None], "/1", "Input should be a valid string"),
        ("texts", ["a", "\0"], "/1", "contains the character U+0000, which PostgreSQL cannot store; leave it out"),
        ("texts", "a", "", "Input should be a valid list"),
        ("texts", {"a": 1}, "", "Input should be a valid list"),
        ("texts", None, "", "Input should be a valid list"),
        ("wholes", [1, 2**63], "/1", f"is outside the range of a 64 bit integer, {-(2**63)} to {2**63 - 1}"),
        ("wholes", [[1]], "/0", "Input should be a valid integer"),
        ("reals", ["1"], "/0", "Input should be a valid number"),
        ("exacts", ["1_0"], "/0", 'should be a decimal number, such as 12.50 or "12.50"'),
        ("days", ["2026-02-30"], "/0", "is no date that exists: day is out of range for month"),
        (
            "moments",
            ["2026-02-03T04:05:06"],
            "/0",
            "should be a date and time with its offset from UTC, such as 2026-02-03T04:05:06.789Z",
        ),
        ("keys", ["x"], "/0", "should be a UUID, such as 6f1d3c54-5e0b-4c29-9a3e-0b6a3f7d2c11"),
        ("few", ["abcd"], "/0", "String should have at most 3 characters"),
        ("few", ["a", "b", "c"], "", "List should have at most 2 items after validation, not 3"),
    ],
)
async def test_what_is_wrong_in_a_list_is_named_by_its_place(
    offers: aiohttp.ClientSession, field: str, value: object, place: str, fault: str
) -> None:
    response = await offers.post("/v1/offer", json={"name": "x", field: value})
    assert (response.status, await problem(response)) == (422, invalid((f"/body/{field}{place}", fault)))
    bulk = await offers.post("/v1/offer/bulk", json=[{"name": "x"}, {"name": "y", field: value}])
    assert (bulk.status, await problem(bulk)) == (422, invalid((f"/body/1/{field}{place}", fault)))


async def _refused_bytes(client: aiohttp.ClientSession, **lists: object) -> int:
    response = await client.post("/v1/offer", json={"name": "", **lists})
    (fault,) = (await response.json(content_type=None))["errors"]
    size = int(fault["detail"].split()[1])
    assert fault == {"pointer": "/body", "detail": f"has {size} bytes of text; a row has at most 65536"}
    return size


async def test_lists_count_in_the_bytes_of_a_row_with_the_bytes_of_their_json(offers: aiohttp.ClientSession) -> None:
    others = await _refused_bytes(offers, texts=["é" * 35_000]) - 70_004
    assert await _refused_bytes(offers, texts=["é"] * 20_000) == others + 20_000 * 5 + 1
    assert await _refused_bytes(offers, wholes=[1] * 40_000) == others + 40_000 * 2 + 1
    fits = 65536 - others - 4
    assert await _refused_bytes(offers, texts=["n" * (fits + 1)]) == 65537
    assert (await offers.post("/v1/offer", json={"name": "", "texts": ["n" * fits]})).status == 201


async def test_lists_count_in_the_bytes_of_a_page(offers: aiohttp.ClientSession) -> None:
    rows = [{"name": str(number), "wholes": [10**15] * 3000} for number in range(40)]
    for part in (rows[:20], rows[20:]):
        body = io.BytesIO(json.dumps(part).encode())
        assert (await offers.post("/v1/offer/bulk", data=body, headers=JSON)).status == 201
    page = await offers.get("/v1/offer?limit=1000&fields=wholes")
    content = await page.read()
    assert 1024 * 1024 - 65536 < len(content) < 1024 * 1024 + 65536
    assert json.loads(content)["next"] is not None


async def _ids(client: aiohttp.ClientSession, document: object) -> list[str]:
    page = await client.post("/v1/offer/query", json={"filter": document, "fields": ["name"], "order": "name"})
    assert page.status == 200, await page.text()
    return [row["name"] for row in (await page.json())["items"]]


async def test_lists_are_compared_as_a_whole(offers: aiohttp.ClientSession) -> None:
    rows = [
        {"name": "a", "texts": ["x", "y"], "exacts": ["1.0"], "few": None},
        {"name": "b", "texts": ["y", "x"], "exacts": ["1.00", "2"], "few": []},
        {"name": "c", "texts": [], "reals": [-0.0], "few": ["NUL"]},
    ]
    await offers.post("/v1/offer/bulk", json=rows)
    assert await _ids(offers, {"texts": ["x", "y"]}) == ["a"]
    assert await _ids(offers, {"texts": {"$eq": []}}) == ["c"]
    assert await _ids(offers, {"texts": {"$ne": ["x", "y"]}}) == ["b", "c"]
    assert await _ids(offers, {"exacts": ["1"]}) == ["a"]
    assert await _ids(offers, {"reals": [0]}) == ["c"]
    assert await _ids(offers, {"few": None}) == ["a"]
    assert await _ids(offers, {"few": {"$null": False}}) == ["b", "c"]
    assert await _ids(offers, {"few": {"$ne": ["NUL"]}}) == ["a", "b"]
    assert await _ids(offers, {"$not": {"few": ["NUL"]}}) == ["a", "b"]
    assert await _ids(offers, {"colours": ["red"]}) == ["a", "b", "c"]
    counted = await _run(offers, "Count", filter={"texts": ["x", "y"]})
    assert counted == {"count": 1}


@pytest.mark.parametrize(
    ("query", "place", "fault"),
    [
        (
            {"filter": {"texts": {"$in": [["x"]]}}},
            "/filter/texts/$in",
            "does not apply to texts, which is a list; use $eq, $ne or $null",
        ),
        (
            {"filter": {"texts": {"$like": "x"}}},
            "/filter/texts/$like",
            "does not apply to texts, which is a list; use $eq, $ne or $null",
        ),
        ({"filter": {"texts": "x"}}, "/filter/texts", "Input should be a valid list"),
        ({"filter": {"wholes": ["1"]}}, "/filter/wholes", "Input should be a valid integer"),
        (
            {"filter": {"texts.0": "x"}},
            "/filter/texts.0",
            "is a path, but texts is no JSON field: it is text[]; write texts alone",
        ),
        ({"order": "texts"}, "/order", "has 'texts', a list, which has no order; leave it out"),
        ({"order": "-size"}, "/order", "has 'size', a JSON field, which has no order; leave it out"),
        (
            {"aggregates": {"count": "*"}, "group_by": ["texts"]},
            "/group_by",
            "has 'texts', a list, which has no order; leave it out",
        ),
        (
            {"aggregates": {"max": ["wholes"]}},
            "/aggregates/max",
            "has 'wholes', which is bigint[]; max does not apply to it",
        ),
    ],
)
async def test_what_cannot_be_asked_of_a_list_is_explained(
    offers: aiohttp.ClientSession, query: dict[str, Any], place: str, fault: str
) -> None:
    response = await offers.post("/v1/offer/query", json=query)
    assert (response.status, await problem(response)) == (422, invalid((f"/body{place}", fault)))


def test_a_list_can_be_part_of_what_identifies_a_row() -> None:
    row = {"name": "x", "texts": ["a", "b"], "other": 1}
    assert {parsing.unique_key(row, ["name", "texts"])} == {("x", ("a", "b"))}
