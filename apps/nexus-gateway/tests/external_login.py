"""A browser that signs in by the small provider."""

from page_client import BrowserClient, Page
from small_provider import SmallProvider

CALLBACK = "/login/oidc/small/callback"


async def begin(browser: BrowserClient, path: str = "/login/oidc/small") -> str:
    """Where the browser is led to."""
    page = await browser.get(path)
    assert page.status == 303, page.text
    return page.location


async def sign_in(browser: BrowserClient, provider: SmallProvider, path: str = "/login/oidc/small") -> Page:
    return await browser.get(f"{CALLBACK}?{provider.approve(await begin(browser, path))}")


def refusal(page: Page) -> tuple[int, str]:
    """Status and text of a refused login; the browser is not signed in."""
    assert page.title == "Error: Sign in · Nexus"
    assert page.cookies.keys() <= {"__Host-nexus"}  # that of the form
    ((_, text),) = page.faults
    return page.status, text
