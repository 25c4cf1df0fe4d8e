"""The start page."""

import re

import aiohttp
from conftest import PASSWORD, AddUser, ask
from page_client import BrowserClient

from nexus_gateway.proxy.routes import CLASSIFY, MODELS, REVIEW

MODELS_LINK = ("/pages/data/models", MODELS.title, MODELS.summary)
CLASSIFICATION_LINKS = [
    ("/pages/classification/review", REVIEW.title, REVIEW.summary),
    ("/pages/classification/jobs", CLASSIFY.title, CLASSIFY.summary),
]


def services(text: str) -> list[tuple[str, str, str]]:
    """Address, title and summary of each link to the pages of a service."""
    _, _, section = text.partition('<h2 id="services">')
    return re.findall(r'<a href="(.*)">(.*)</a> <span class="quiet">(.*)</span>', section.partition("</section>")[0])


async def test_it_leads_to_the_pages_of_services(browser: BrowserClient) -> None:
    await browser.sign_in("admin", PASSWORD)

    assert services((await browser.get("/")).text) == [MODELS_LINK, *CLASSIFICATION_LINKS]
    assert (await browser.get(MODELS_LINK[0])).status == 200


async def test_pages_that_the_user_may_not_open_are_left_out(
    browser: BrowserClient, http: aiohttp.ClientSession, add_user: AddUser
) -> None:
    _, classifier = await ask(http, "GET", f"{browser.url}/v1/me", await add_user("classify"))
    await browser.sign_in(classifier["username"], PASSWORD)
    assert services((await browser.get("/")).text) == CLASSIFICATION_LINKS

    _, caller = await ask(http, "GET", f"{browser.url}/v1/me", await add_user("tools:call"))
    await browser.submit("/", "/logout")
    await browser.sign_in(caller["username"], PASSWORD)
    page = await browser.get("/")
    assert (page.status, services(page.text)) == (200, [])
    assert "Services" not in page.text
