"""An Enum or a Literal: its texts are the values, everywhere."""

import aiohttp
import asyncpg
import pytest
from answers import invalid, problem
from offers import TEXTS

FAULT = "Input should be 'red', 'blue' or 'it\\'s \"odd\"'"


async def test_the_json_schema_has_the_texts(offers: aiohttp.ClientSession) -> None:
    description = await (await offers.get("/v1/models/Offer")).json()
    properties = description["schema"]["properties"]
    assert properties["colour"] == {
        "default": "blue",
        "enum": ["red", "blue", 'it\'s "odd"'],
        "title": "Colour",
        "type": "string",
    }
    assert properties["shape"]["anyOf"] == [{"enum": ["round", "flat"], "type": "string"}, {"type": "null"}]
    assert properties["colours"]["items"] == {"enum": ["red", "blue", 'it\'s "odd"'], "type": "string"}
    fields = {field["name"]: field for field in description["fields"]}
    assert fields["colour"] == {
        "name": "colour",
        "type": "text",
        "required": False,
        "nullable": False,
        "read_only": False,
    }


async def test_a_declared_text_is_stored_and_answered_as_text(
    offers: aiohttp.ClientSession, database: asyncpg.Connection
) -> None:
    rows = [{"name": "a", "colour": "red", "shape": "flat"}, {"name": "b", "colour": 'it\'s "odd"'}, {"name": "c"}]
    for row in rows:
        assert (await offers.post("/v1/offer", json=row)).status == 201
    await offers.post("/v1/offer/bulk", json=[{**row, "name": f"{row['name']}2"} for row in rows])
    found = (await (await offers.get("/v1/offer?fields=name,colour,shape&order=name")).json())["items"]
    expected = [("red", "flat"), ("red", "flat"), *[('it\'s "odd"', None)] * 2, *[("blue", None)] * 2]
    assert [(row["colour"], row["shape"]) for row in found] == expected
    assert await database.fetchval("SELECT count(*) FROM offers WHERE colour = 'blue'") == 2


async def test_another_text_is_refused_by_the_service_and_by_the_database(
    offers: aiohttp.ClientSession, database: asyncpg.Connection
) -> None:
    for text in ["Red", "RED", "green", "it's odd\"", *TEXTS]:
        response = await offers.post("/v1/offer", json={"name": "x", "colour": text, "colours": ["red", text]})
        expected = invalid(("/body/colours/1", FAULT), ("/body/colour", FAULT))
        assert (response.status, await problem(response)) == (422, expected)
        for column, value in (("colour", text), ("colours", ["red", text]), ("shape", text)):
            with pytest.raises(asyncpg.CheckViolationError, match=f"{column}_texts_"):
                await database.execute(f"INSERT INTO offers (name, {column}) VALUES ('x', $1)", value)  # noqa: S608 - names of this file


async def test_declared_texts_are_compared_and_ordered_as_texts(offers: aiohttp.ClientSession) -> None:
    await offers.post("/v1/offer/bulk", json=[{"name": c[0], "colour": c} for c in ("red", "blue", 'it\'s "odd"')])
    for document, expected in (
        ({"colour": "red"}, ["r"]),
        ({"colour": {"$gt": "blue"}}, ["i", "r"]),
        ({"colour": {"$in": ["red", "green"]}}, ["r"]),
        ({"colour": {"$like": "it's%"}}, ["i"]),
        ({"colour": {"$ne": "red"}}, ["b", "i"]),
        ({"shape": None}, ["b", "i", "r"]),
    ):
        query = {"filter": document, "order": "colour", "fields": "name"}
        page = await (await offers.post("/v1/offer/query", json=query)).json()
        assert page == {"items": [{"name": name} for name in expected], "next": None}
