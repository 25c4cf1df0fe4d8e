"""The pages of models: what they say, where their links lead, and that their examples run."""

import asyncio
import json
import os
import shlex
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import aiohttp
import pytest
from conftest import MakeSettings, serving_client

from nexus_testkit import Issuer
from nexus_testkit.html_page import Element, open_page

MODELS = ["Attribute", "Category", "Document", "PriceItem", "PriceList", "Product", "Supplier"]
FIELDS = ["id", "name", "description", "sku", "supplier", "unspsc_code", "etim_class", "attributes"]


async def test_the_list_has_each_model_and_its_rows(client: aiohttp.ClientSession) -> None:
    found = await open_page(client, "/pages/models")

    assert found.one("head").one("title").text == "Models · Nexus"
    items = {next(item.every("h2")).text: item for item in found.one("main").every("li")}
    assert list(items) == MODELS
    item = items["Product"]
    assert item.text == "Product One product of a catalogue. Table products, 10 fields, 11 nodes Rows of Product"
    assert item.links() == {"Product": "models/Product", "Rows of Product": "models/Product/rows"}


async def test_the_drawing_has_the_fields_of_each_model(client: aiohttp.ClientSession) -> None:
    drawing = (await open_page(client, "/pages/models")).section("Drawing").one("svg")

    described = drawing.one("title").text
    assert f"Product: {', '.join([*FIELDS, 'created_at', 'updated_at'])}." in described
    (box,) = [group for group in drawing.every("g") if next(group.every("text")).text == "Product"]
    assert [text.text for text in box.every("text")] == [
        *("Product", "id", "bigint", "name", "text", "description", "text?", "sku", "text?", "supplier", "text?"),
        *("unspsc_code", "text?", "etim_class", "text?", "attributes", "jsonb"),
        *("created_at", "timestamptz", "updated_at", "timestamptz"),
    ]
    assert len(list(drawing.every("rect"))) == len(MODELS)


async def test_the_drawing_has_a_line_for_each_relation(client: aiohttp.ClientSession) -> None:
    drawing = (await open_page(client, "/pages/models")).section("Drawing").one("svg")

    assert [text for text in drawing.one("title").text.split(". ") if " refers to " in text] == [
        "Attribute.category_id refers to Category",
        "Category.parent_id refers to Category",
        "Document.product_id refers to Product",
        "Document.supplier_id refers to Supplier",
        "PriceItem.price_list_id refers to PriceList",
        "PriceItem.product_id refers to Product",
        "PriceList.supplier_id refers to Supplier.",
    ]
    lines = [path for path in drawing.every("path") if path.attributes.get("class") == "relation"]
    ends = [(circle.attributes["cx"], circle.attributes["cy"]) for circle in drawing.every("circle")]
    assert [tuple(str(line.attributes["d"]).split()[-2:]) for line in lines] == ends
    assert len(ends) == 7


async def test_the_page_of_a_model_has_its_relations(client: aiohttp.ClientSession) -> None:
    found = (await open_page(client, "/pages/models/PriceItem")).section("Relations")

    assert found.table() == [
        ["Relation", "Field", "Model", "When that row is deleted"],
        ["price_list", "price_list_id", "PriceList", "cascade"],
        ["product", "product_id", "Product", "cascade"],
    ]
    assert found.links() == {"PriceList": "../models/PriceList", "Product": "../models/Product"}


async def test_a_model_is_described(client: aiohttp.ClientSession) -> None:
    found = await open_page(client, "/pages/models/Product")
    described = await (await client.get("/v1/models/Product")).json()

    assert (found.one("title").text, found.one("h1").text) == ("Product · Nexus", "Product")
    assert found.section("Fields").table() == [
        ["Field", "Type", "Required", "Nullable", "Read only"],
        ["id", "bigint", "no", "no", "yes"],
        ["name", "text", "yes", "no", "no"],
        *([name, "text", "no", "yes", "no"] for name in FIELDS[2:7]),
        ["attributes", "jsonb", "no", "no", "no"],
        ["created_at", "timestamptz", "no", "no", "yes"],
        ["updated_at", "timestamptz", "no", "no", "yes"],
    ]
    assert found.section("Indexes").table() == [["Index", "Fields", "Unique"], ["products_sku_key", "sku", "yes"]]
    assert json.loads(found.section("JSON Schema").one("pre").raw_text) == described["schema"]


async def test_the_nodes_of_a_model_have_their_parameters(client: aiohttp.ClientSession) -> None:
    table = (await open_page(client, "/pages/models/Product")).section("Nodes").table()
    nodes = [node for node in (await (await client.get("/v1/nodes")).json())["items"] if node["model"] == "Product"]

    assert table[0] == ["Node", "Operation", "Parameters"]
    assert [row[:2] for row in table[1:]] == [[node["node"], node["operation"]] for node in nodes]
    assert table[1 + [node["operation"] for node in nodes].index("count")] == [
        *("ProductCountNode", "count", "filter dict; search str")
    ]


async def test_links_lead_to_pages_and_rows_below_the_prefix_of_the_gateway(client: aiohttp.ClientSession) -> None:
    await client.post("/v1/product/bulk", json=[{"name": "x"}] * 21)
    found, waiting = set[str](), {"/pages/data/models"}
    while waiting:
        path = waiting.pop()
        found.add(path)
        if path.startswith("/pages/data/models"):
            document = await open_page(client, path.replace("/pages/data/", "/pages/"))
            elements = [element for tag in ("a", "link", "script") for element in document.every(tag)]
            links = [str(element.attributes.get("href", element.attributes.get("src"))) for element in elements]
            waiting |= {urljoin(path, link) for link in links if not link.startswith("#")} - found

    rows = {f"/v1/data/product?filter=%7B%22id%22%3A{number}%7D" for number in range(1, 22)}
    pages = {"", "/Product/rows?after=2"} | {f"/{model}{rest}" for model in MODELS for rest in ("", "/rows")}
    own_files = {"/pages/data/static/data.css", "/pages/data/static/copy.js"}
    gateways = {"/", "/static/icon.svg", "/static/nexus.css", "/static/navigation.js"}
    assert found == rows | {f"/pages/data/models{rest}" for rest in pages} | own_files | gateways
    row = await (await client.get("/v1/product?filter=%7B%22id%22%3A21%7D")).json()
    assert [item["id"] for item in row["items"]] == [21]


@pytest.fixture
async def comments(
    make_settings: MakeSettings, token: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[aiohttp.ClientSession]:
    """Client of a service with the models of the package hostile_texts, whose table is not there."""
    monkeypatch.syspath_prepend(Path(__file__).parent / "fixtures")
    async with serving_client(make_settings(models="hostile_texts"), token) as session:
        yield session


async def test_hostile_texts_of_a_model_come_out_as_text(comments: aiohttp.ClientSession) -> None:
    described = await (await comments.get("/v1/models/Comment")).json()
    listed, found = await open_page(comments, "/pages/models"), await open_page(comments, "/pages/models/Comment")

    assert [next(item.every("p")).raw_text for item in listed.one("main").every("li")] == [described["summary"]]
    assert [code.raw_text for code in listed.one("main").every("code")] == [described["table"]]
    assert found.section("Indexes").table()[1] == ["</code><b>index</b>", "body", "no"]
    assert json.loads(found.section("JSON Schema").one("pre").raw_text) == described["schema"]
    assert len(list(listed.every("script"))) == len(list(found.every("script"))) == 2


async def test_a_model_is_shown_though_its_table_is_not_migrated(comments: aiohttp.ClientSession) -> None:
    assert (await open_page(comments, "/pages/models/Comment")).one("h1").text == "Comment"
    problem = await open_page(comments, "/pages/models/Comment/rows", 503)
    assert problem.one("title").text == "The table is not migrated · Nexus"


def _examples(found: Element) -> dict[str, str]:
    return {
        example.one("h3").text: example.one("pre").raw_text
        for example in found.section("Examples").every("div")
        if example.attributes.get("class") == "example"
    }


def _arguments(command: str) -> list[str]:
    """The arguments of a shell command, which may go on in the next line."""
    return shlex.split(command.replace("\\\n", ""))


async def _run(arguments: list[str], service: str, gateway: str) -> tuple[int, Any]:
    """The status and answer of what curl would send to the gateway, sent to the service."""
    program, silent, url, *options = arguments
    assert (program, silent, url.startswith(f"{gateway}/v1/data/")) == ("curl", "-s", True)
    given = list(zip(options[::2], options[1::2], strict=True))
    headers = dict(value.split(": ", 1) for name, value in given if name == "-H")
    body = next((value for name, value in given if name == "-d"), None)
    target = url.replace(f"{gateway}/v1/data", f"{service}/v1")
    async with aiohttp.ClientSession(headers=headers) as session:
        answer = await session.request("POST" if body else "GET", target, data=body)
        return answer.status, await answer.json()


async def test_the_curl_examples_do_what_they_say(
    client: aiohttp.ClientSession, service: str, issuer: Issuer, token: str
) -> None:
    examples = _examples(await open_page(client, "/pages/models/Product"))

    async def run(title: str) -> tuple[int, Any]:
        return await _run(_arguments(examples[title].replace("$TOKEN", token)), service, issuer.url)

    status, created = await run("Create a row")
    assert (status, created["id"], created["name"]) == (201, 1, "text")
    assert await run("Read the newest rows") == (200, {"items": [created], "next": None})
    assert await run("Run a node") == (200, {"items": [created], "next": None})


async def test_the_python_example_does_what_it_says(
    client: aiohttp.ClientSession, service: str, issuer: Issuer, token: str
) -> None:
    text = _examples(await open_page(client, "/pages/models/Product"))["Python"]
    program = text.replace(issuer.url, service).replace("/v1/data/", "/v1/")
    environment = {**os.environ, "TOKEN": token, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-W", "error", "-c", program]
    process = await asyncio.create_subprocess_exec(*command, env=environment, stdout=subprocess.PIPE)
    output, _ = await process.communicate()
    created = await (await client.get("/v1/product/1")).json()

    assert process.returncode == 0
    assert output.decode() == f"201 {created}\n200 {{'items': [{created}], 'next': None}}\n"


async def test_the_example_of_a_model_with_each_type_is_a_row(readings: aiohttp.ClientSession) -> None:
    command = _examples(await open_page(readings, "/pages/models/Reading"))["Create a row"]
    body = _arguments(command)[-1]
    async with readings.post("/v1/reading", data=body, headers={"Content-Type": "application/json"}) as response:
        assert response.status == 201, await response.text()


async def test_an_example_with_quotes_is_one_argument(comments: aiohttp.ClientSession) -> None:
    command = _examples(await open_page(comments, "/pages/models/Comment"))["Create a row"]

    assert json.loads(_arguments(command)[-1]) == {"body": 'it\'s <b>"bold"</b>'}
