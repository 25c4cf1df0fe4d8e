"""The page of the review queue, as it is without JavaScript."""

from collections.abc import AsyncIterator, Mapping
from urllib.parse import urljoin

import aiohttp
import pytest
from conftest import client_of

from nexus_testkit import Issuer
from nexus_testkit.html_page import Element, open_page

PAGE = "/pages/review"
HOSTILE = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror='alert(1)'>",
    "</bdi></h3></li>x",
    "{{ 7 * 7 }}{% raw %}",
    "&lt;b&gt; &amp;",
    '=HYPERLINK("http://example.com","x")',
    "مضخة مياه 220",
]


@pytest.fixture
async def client(issuer: Issuer, database_settings: dict[str, object]) -> AsyncIterator[aiohttp.ClientSession]:
    async with client_of(issuer, "classify", **database_settings) as session:
        yield session


async def ask(client: aiohttp.ClientSession, *items: Mapping[str, object]) -> None:
    body = {"items": items, "taxonomy": "unspsc", "top_k": 10, "review": True}
    async with client.post("/v1/classify", json=body) as response:
        assert (response.status, (await response.json())["queued"]) == (200, len(items))


def rows_of(page: Element) -> list[Element]:
    """The rows of the list; the other article is where scripts show one of them."""
    return [row for row in page.every("article") if "id" not in row.attributes]


def texts(page: Element) -> list[str]:
    return [row.one("h3").raw_text for row in rows_of(page)]


async def test_the_rows_come_in_the_order_of_the_queue_with_their_candidates(client: aiohttp.ClientSession) -> None:
    await ask(client, {"text": "XK-7 frobnicator", "attributes": {"voltage": "18 V", "weight": 1.5}})
    async with client.get("/v1/review", params={"taxonomy": "unspsc"}) as response:
        (queued,) = (await response.json())["items"]
    (row,) = rows_of(await open_page(client, PAGE))

    assert [value.text for value in row.every("bdi")][:5] == ["XK-7 frobnicator", "voltage", "18 V", "weight", "1.5"]
    assert [code.text for code in row.every("code")] == [
        queued["code"],
        *(candidate["code"] for candidate in queued["candidates"]),
    ]
    widths = [float(str(bar.attributes["width"])) for bar in row.every("rect")]
    assert widths == pytest.approx([100 * candidate["confidence"] for candidate in queued["candidates"]])


async def test_twenty_rows_are_on_a_page(client: aiohttp.ClientSession) -> None:
    await ask(client, *({"text": f"XK-{number} frobnicator"} for number in range(25)))
    first = await open_page(client, PAGE)
    following = urljoin(PAGE, first.links()["More rows"])
    second = await open_page(client, following)

    async with client.get("/v1/review", params={"taxonomy": "unspsc"}) as response:
        queue = [row["item"]["text"] for row in (await response.json())["items"]]
    assert (texts(first), texts(second)) == (queue[:20], queue[20:])
    assert "More rows" not in second.links()
    assert urljoin(following, second.links()["The most useful"]) == f"{PAGE}?taxonomy=unspsc&version=starter-1"


async def test_each_version_is_linked_to_with_the_rows_that_are_left(client: aiohttp.ClientSession) -> None:
    await ask(client, {"text": "XK-7 frobnicator"}, {"text": "XK-8 frobnicator"})
    page = await open_page(client, f"{PAGE}?taxonomy=etim")
    links = {name: urljoin(PAGE, address) for name, address in page.links().items() if "starter" in name}

    assert links == {
        "UNSPSC starter-1 (default): 2": f"{PAGE}?taxonomy=unspsc&version=starter-1",
        "ETIM starter-1 (default): 0": f"{PAGE}?taxonomy=etim&version=starter-1",
    }
    assert "Nothing is left to decide." in page.text


async def test_the_statistics_are_shown(client: aiohttp.ClientSession) -> None:
    await ask(client, {"text": "XK-7 frobnicator"})
    for text, code in (("cordless drill 18V", "27112703"), ("A4 copy paper, 80 g", "27111602")):
        body = {"items": [{"text": text, "code": code}], "taxonomy": "unspsc"}
        assert (await client.post("/v1/feedback", json=body)).status == 200
    figures = next((await open_page(client, PAGE)).every("dl"))

    assert [value.text for value in figures.every("dd")] == ["1", "1 of 2 (50 %)", "nothing yet"]


async def test_hostile_texts_come_out_as_text(client: aiohttp.ClientSession) -> None:
    await ask(client, *({"text": text, "attributes": {text: text}} for text in HOSTILE))
    page = await open_page(client, PAGE)

    assert sorted(texts(page)) == sorted(HOSTILE)
    assert sorted(next(row.every("dd")).raw_text for row in rows_of(page)) == sorted(HOSTILE)
    assert [script.attributes.get("src") for script in page.every("script")] == [
        "../../static/navigation.js",
        "static/review.js",
    ]
    assert list(page.every("img")) == []


async def test_the_queue_of_a_tenant_is_its_own(issuer: Issuer, database_settings: dict[str, object]) -> None:
    token = issuer.mint("classification-service", ["classify"], tenant="acme")
    async with client_of(issuer, "classify", **database_settings) as client:
        await ask(client, {"text": "XK-7 frobnicator"})
        client.headers["Authorization"] = f"Bearer {token}"
        page = await open_page(client, PAGE)
        assert (texts(page), "UNSPSC starter-1 (default): 0" in page.text) == ([], True)
