"""What holds for every page: headers, scopes, errors, files."""

import os
import subprocess
import sys
from collections.abc import AsyncIterator
from urllib.parse import urljoin

import aiohttp
import pytest
from conftest import APP, client_of

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
PAGES = ["/pages/review", "/pages/jobs"]
FILES = {
    "classification.css": "text/css; charset=utf-8",
    **{
        f"{name}.js": "text/javascript; charset=utf-8"
        for name in ("api", "dom", "jobs", "queue", "review", "search", "upload", "wording")
    },
}


@pytest.fixture
async def client(issuer: Issuer, database_settings: dict[str, object]) -> AsyncIterator[aiohttp.ClientSession]:
    async with client_of(issuer, "classify", **database_settings) as session:
        yield session


@pytest.mark.parametrize("path", [*PAGES, "/pages/review?version=9"])
async def test_every_page_has_the_security_headers(client: aiohttp.ClientSession, path: str) -> None:
    async with client.get(path) as response:
        text = await response.text()
        assert {name: response.headers.get(name) for name in HEADERS} == HEADERS
        assert text.startswith('<!doctype html>\n<html lang="en">')
        assert all(part not in text for part in ("<style", " style=", " onclick", "javascript:"))


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_needs_the_scope_of_the_api(
    issuer: Issuer, database_settings: dict[str, object], path: str
) -> None:
    async with client_of(issuer, "admin", **database_settings) as client:
        assert (await open_page(client, path, 403)).one("h1").text == "The access token does not allow this"
        del client.headers["Authorization"]
        assert (await open_page(client, path, 401)).one("h1").text


@pytest.mark.parametrize(
    ("path", "status", "title"),
    [
        ("/pages/review?taxonomy=other", 404, "There is no such taxonomy"),
        ("/pages/review?version=9", 404, "There is no such taxonomy"),
        ("/pages/review?version=%3Cscript%3E", 422, "The request is not valid"),
        ("/pages/review?after=x", 422, "The request is not valid"),
        ("/pages/review?page=2", 400, "A query parameter is unknown"),
        ("/pages/jobs?after=x", 422, "The request is not valid"),
    ],
)
async def test_an_error_is_a_page(client: aiohttp.ClientSession, path: str, status: int, title: str) -> None:
    found = await open_page(client, path, status)

    assert (found.one("title").text, found.one("h1").text) == (f"{title} · Nexus", title)
    links = {name: urljoin(path, address) for name, address in found.one("main").links().items()}
    assert links == {"Go to the review queue": "/pages/review", "Go to your jobs": "/pages/jobs"}


@pytest.mark.parametrize("path", PAGES)
async def test_a_service_without_database_says_so(issuer: Issuer, path: str) -> None:
    async with client_of(issuer, "classify") as client:
        assert (await open_page(client, path, 409)).one("h1").text == "The service has no database"


@pytest.mark.parametrize("path", PAGES)
async def test_pages_answer_head_and_nothing_that_writes(client: aiohttp.ClientSession, path: str) -> None:
    async with client.head(path) as response:
        assert (response.status, response.content_type, await response.read()) == (200, "text/html", b"")
    async with client.post(path) as response:
        assert (response.status, response.headers["Allow"]) == (405, "GET, HEAD")


async def test_files_of_pages_may_be_kept_and_asked_for_again(client: aiohttp.ClientSession) -> None:
    del client.headers["Authorization"]
    for name, media_type in FILES.items():
        async with client.get(f"/pages/static/{name}") as response:
            first = response.headers
            assert (response.status, first["Content-Type"], first["Cache-Control"]) == (
                *(200, media_type, "private, max-age=300"),
            )
        async with client.get(f"/pages/static/{name}", headers={"If-None-Match": first["ETag"]}) as response:
            assert (response.status, await response.read()) == (304, b"")


def test_the_template_engine_is_loaded_by_the_first_page_alone() -> None:
    program = "import sys, classification_service.app; print('jinja2' in sys.modules)"
    found = subprocess.check_output([sys.executable, "-c", program], cwd=APP, env=dict(os.environ), text=True)
    assert found == "False\n"
