"""A row whose id callers choose has the same bytes by node, by its endpoint, in lists, bulk, exports and feed."""

import json
import uuid
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import aiohttp
import asyncpg
import pytest
from answers import problem
from channel import shown
from conftest import MakeSettings, serving_models
from naughty import NAUGHTY
from streams import NDJSON, ndjson
from yarl import URL

from dataflow_service.registry.identifiers import RESERVED

_FIXED = uuid.UUID("6f1d3c54-5e0b-4c29-9a3e-0b6a3f7d2c11")
TEXT_IDS = [text for text in NAUGHTY if 1 <= len(text) <= 20 and "/" not in text and text not in {".", ".."} | RESERVED]
COUNTRIES = [{"id": text, "name": text, "area": place or None} for place, text in enumerate(TEXT_IDS)]
DELIVERIES = [{"id": str(uuid.uuid5(_FIXED, text)), "note": text} for text in NAUGHTY]
MODELS = [("Country", COUNTRIES), ("Delivery", DELIVERIES)]


@pytest.fixture
async def own_ids(
    make_settings: MakeSettings,
    token: str,
    model_packages: None,  # noqa: ARG001 - needed for its effect
) -> AsyncIterator[aiohttp.ClientSession]:
    """Client of a service with the models of the package own_ids."""
    async with serving_models(make_settings(models="own_ids"), token) as session:
        yield session


async def _read(client: aiohttp.ClientSession, path: str, **query: str) -> bytes:
    async with client.get(URL(path, encoded=True).update_query(query)) as response:
        assert response.status == 200, await response.text()
        return await response.read()


async def _post(client: aiohttp.ClientSession, path: str, body: object, status: int = 200) -> bytes:
    async with client.post(path, json=body) as response:
        assert response.status == status, await response.text()
        return await response.read()


async def _by_endpoint_and_node(client: aiohttp.ClientSession, model: str, row_id: str) -> set[bytes]:
    """A row as each way to read one answers it."""
    path, own = f"/v1/{model.lower()}", {"filter": {"id": row_id}}
    page = b'{"items":[%b],"next":null}'
    row = await _read(client, f"{path}/{quote(row_id, safe='')}")
    assert await _post(client, f"{path}/query", own) == page % row
    assert await _post(client, f"/v1/nodes/{model}ListNode/execute", {"parameters": own}) == page % row
    return {row, await _post(client, f"/v1/nodes/{model}ReadNode/execute", {"parameters": {"id": row_id}})}


def test_there_are_ids_of_all_kinds() -> None:
    assert len(TEXT_IDS) > 200
    assert len({row["id"] for row in DELIVERIES}) == len(NAUGHTY)


@pytest.mark.parametrize(("model", "rows"), MODELS)
async def test_a_row_has_the_same_bytes_wherever_it_is_answered(
    own_ids: aiohttp.ClientSession, database: asyncpg.Connection, model: str, rows: list[dict[str, Any]]
) -> None:
    path = f"/v1/{model.lower()}"
    created = {row["id"]: await _post(own_ids, path, row, 201) for row in rows}
    for row in rows:
        assert {name: json.loads(created[row["id"]])[name] for name in row} == row
    for row_id in list(created)[::5]:
        assert await _by_endpoint_and_node(own_ids, model, row_id) == {created[row_id]}
    lines = [created[row_id] for row_id in sorted(created, key=str.encode)]
    assert await _read(own_ids, path, limit="1000") == b'{"items":[%b],"next":null}' % b",".join(lines)
    assert await _read(own_ids, f"{path}/export") == b"".join(line + b"\n" for line in lines)
    await shown(database)
    feed = await _read(own_ids, "/v1/changes", limit="1000")
    assert all(b'"row":' + line + b"}" in feed for line in lines)


@pytest.mark.parametrize(("model", "rows"), MODELS)
@pytest.mark.parametrize("way", ["array", "ndjson", "node"])
async def test_rows_of_a_bulk_have_the_bytes_of_their_endpoints_and_of_the_feed(
    own_ids: aiohttp.ClientSession, database: asyncpg.Connection, model: str, rows: list[dict[str, Any]], way: str
) -> None:
    path = f"/v1/{model.lower()}"
    if way == "array":
        await _post(own_ids, f"{path}/bulk", rows, 201)
    elif way == "node":
        await _post(own_ids, f"/v1/nodes/{model}BulkCreateNode/execute", {"parameters": {"data": rows}})
    else:
        async with own_ids.post(f"{path}/bulk", data=ndjson(rows), headers=NDJSON) as response:
            assert response.status == 201, await response.text()
    lines = (await _read(own_ids, f"{path}/export")).split(b"\n")[:-1]
    assert len(lines) == len(rows)
    sent = {row["id"]: row for row in rows}
    for line in lines:
        found = json.loads(line)
        assert {name: found[name] for name in sent[found["id"]]} == sent[found["id"]]
    for line in lines[::20]:
        assert await _by_endpoint_and_node(own_ids, model, json.loads(line)["id"]) == {line}
    await shown(database)
    feed = await _read(own_ids, "/v1/changes", limit="1000")
    assert all(b'"row":' + line + b"}" in feed for line in lines)


async def test_an_id_that_no_address_can_have_is_refused_by_all(own_ids: aiohttp.ClientSession) -> None:
    row = {"id": "a/b", "name": "x"}
    for path, body in (
        ("/v1/country", row),
        ("/v1/country/bulk", [row]),
        ("/v1/nodes/CountryCreateNode/execute", {"parameters": row}),
    ):
        response = await own_ids.post(path, json=body)
        assert (response.status, "without a slash" in str((await problem(response))["detail"])) == (422, True)
