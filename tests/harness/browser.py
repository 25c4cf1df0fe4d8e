"""A browser, and somebody who uses it."""

import re
from dataclasses import dataclass
from importlib.resources import files

from playwright.sync_api import BrowserContext, Page

_TIMEOUT_MS = 10_000
_AXE = files("axe_playwright_python").joinpath("axe.min.js").read_text()


@dataclass(frozen=True)
class Person:
    """A user of the gateway, and the password that they chose."""

    name: str
    password: str


@dataclass(frozen=True)
class Visitor:
    """One browser with cookies of its own; `complaints` is what it said about the pages on its console."""

    site: str
    page: Page
    complaints: list[str]

    def open(self, path: str) -> None:
        """Go to a path of the gateway."""
        self.page.goto(f"{self.site}{path}")

    def sign_in(self, person: Person) -> None:
        """Sign in by the login page."""
        self.open("/login")
        self.page.get_by_label("User name").fill(person.name)
        self.page.get_by_label("Password").fill(person.password)
        self.page.get_by_role("button", name="Sign in").click()
        self.page.wait_for_url("**/")

    @property
    def path(self) -> str:
        """Where the browser is, without the query."""
        return re.sub(r"^https?://[^/]*", "", self.page.url).partition("?")[0]

    def type(self, *keys: str) -> None:
        """Press keys, or type texts of more than one letter that are no names of keys."""
        for key in keys:
            if re.fullmatch(r"(Shift\+)?(Tab|Enter|Space)", key):
                self.page.keyboard.press(key)
            else:
                self.page.keyboard.type(key)
        self.page.wait_for_load_state()

    def focused(self) -> str:
        """The accessible name of the element that has the focus, as assistive technology reads it."""
        snapshot = self.page.locator(":focus").aria_snapshot()
        return snapshot.splitlines()[0].removeprefix("- ").rstrip(":")

    def accessibility_faults(self) -> list[str]:
        """What axe-core finds, rules of best practice included."""
        self.page.evaluate(_AXE)
        found = self.page.evaluate("axe.run()")["violations"]
        return [f"{fault['id']}: {node['html']}" for fault in found for node in fault["nodes"]]


def visitor_in(context: BrowserContext, site: str) -> Visitor:
    """Return a visitor of the site in a browser context."""
    context.set_default_timeout(_TIMEOUT_MS)
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    return Visitor(site, page, complaints)
