"""What holds for every page: headers, scopes, errors, files."""

import subprocess
import sys
from urllib.parse import urljoin

import aiohttp
import pytest

from nexus_testkit import Issuer
from nexus_testkit.html_page import open_page

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; frame-ancestors 'none'; form-action 'self'"
    ),
    "Content-Type": "text/html; charset=utf-8",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
PAGES = ["/pages/models", "/pages/models/Product", "/pages/models/Product/rows"]


@pytest.mark.parametrize("path", [*PAGES, "/pages/models/Nothing"])
async def test_every_page_has_the_security_headers(client: aiohttp.ClientSession, path: str) -> None:
    async with client.get(path) as response:
        text = await response.text()
        assert {name: response.headers.get(name) for name in HEADERS} == HEADERS
        assert text.startswith('<!doctype html>\n<html lang="en">')
        assert all(part not in text for part in ("<style", " style=", " onclick", "javascript:"))


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_needs_the_scope_for_reading(
    service: str, issuer: Issuer, client: aiohttp.ClientSession, path: str
) -> None:
    await client.post("/v1/product", json={"name": "secret"})
    writer = issuer.mint("dataflow-service", {"data:write", "data:admin"})
    for headers, status in (({"Authorization": f"Bearer {writer}"}, 403), ({}, 401)):
        async with aiohttp.ClientSession(service, headers=headers) as session:
            found = await open_page(session, path, status)
            assert "secret" not in found.raw_text


@pytest.mark.parametrize(
    ("path", "status", "title"),
    [
        ("/pages/models/Nothing", 404, "There is no such model"),
        ("/pages/models/product", 404, "There is no such model"),
        ("/pages/models/Nothing/rows", 404, "There is no such model"),
        ("/pages/models/%3Cscript%3E", 404, "There is no such model"),
        ("/pages/models?page=2", 400, "A query parameter is unknown"),
        ("/pages/models/Product/rows?after=1&after=2", 400, "A query parameter is repeated"),
        ("/pages/models/Product/rows?after=x", 422, "The request is not valid"),
        ("/pages/models/Product/rows?after=%FF", 422, "The request is not valid"),
    ],
)
async def test_an_error_is_a_page(client: aiohttp.ClientSession, path: str, status: int, title: str) -> None:
    found = await open_page(client, path, status)

    assert (found.one("title").text, found.one("h1").text) == (f"{title} · Nexus", title)
    (link,) = found.one("main").links().items()
    assert (link[0], urljoin(path, link[1])) == ("Go to the models", "/pages/models")
    assert len(list(found.every("script"))) == 2


@pytest.mark.parametrize("path", PAGES)
async def test_pages_answer_head_and_nothing_that_writes(client: aiohttp.ClientSession, path: str) -> None:
    async with client.head(path) as response:
        assert (response.status, response.content_type, await response.read()) == (200, "text/html", b"")
    async with client.post(path) as response:
        assert (response.status, response.headers["Allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize(
    ("name", "media_type"), [("data.css", "text/css; charset=utf-8"), ("copy.js", "text/javascript; charset=utf-8")]
)
async def test_files_of_pages_may_be_kept_and_asked_for_again(service: str, name: str, media_type: str) -> None:
    async with aiohttp.ClientSession(service) as session:
        async with session.get(f"/pages/static/{name}") as response:
            first = response.headers
            assert (response.status, first["Content-Type"], first["Cache-Control"]) == (
                *(200, media_type, "private, max-age=300"),
            )
            assert len(await response.read()) > 100
        async with session.get(f"/pages/static/{name}", headers={"If-None-Match": first["ETag"]}) as response:
            assert (response.status, await response.read(), response.headers["ETag"]) == (304, b"", first["ETag"])


@pytest.mark.parametrize("name", ["", "missing.css", "..%2fendpoints.py", "data.css%00", "data.css/"])
async def test_no_other_file_is_served(client: aiohttp.ClientSession, name: str) -> None:
    async with client.get(f"/pages/static/{name}") as response:
        assert response.status == 404


def test_the_template_engine_is_loaded_by_the_first_page_alone(environment: dict[str, str]) -> None:
    program = "import sys, dataflow_service.app; print('jinja2' in sys.modules)"
    found = subprocess.check_output([sys.executable, "-c", program], env=environment, text=True)
    assert found == "False\n"
