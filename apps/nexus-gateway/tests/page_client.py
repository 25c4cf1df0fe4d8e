"""A browser without JavaScript, as far as the gateway's pages need one."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import unescape
from http.cookies import Morsel, SimpleCookie
from urllib.parse import parse_qsl, urlsplit

import aiohttp
from yarl import URL

HOST = "localhost:8000"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:152.0) Gecko/20100101 Firefox/152.0"

_FIELD = re.compile(r'<input type="hidden" name="([^"]*)" value="([^"]*)">')


@dataclass(frozen=True)
class Page:
    status: int
    headers: Mapping[str, str]
    text: str
    cookies: dict[str, Morsel[str]]

    @property
    def location(self) -> str:
        """Where the page leads; empty unless it is a redirect."""
        return self.headers.get("Location", "")

    @property
    def answer(self) -> dict[str, str]:
        """The parameters of the address that the page leads to."""
        return dict(parse_qsl(urlsplit(self.location).query))

    @property
    def form(self) -> dict[str, str]:
        """The hidden fields of the page's own form."""
        return {unescape(name): unescape(value) for name, value in _FIELD.findall(self.text.partition("<main")[2])}

    @property
    def form_token(self) -> str:
        found = re.search(r'name="form_token" value="([0-9a-f]{64})"', self.text)
        assert found, self.text
        return found[1]

    @property
    def title(self) -> str:
        found = re.search(r"<title>(.*)</title>", self.text)
        assert found, self.text
        return unescape(found[1])

    @property
    def faults(self) -> list[tuple[str, str]]:
        """The error summary: the field that each line links to, and its text."""
        summary = re.search(r'<div class="errors" role="alert".*?</div>', self.text, re.DOTALL)
        lines = re.findall(r'<li>(?:<a href="#([^"]*)">)?([^<]*)', summary[0] if summary else "")
        return [(name, unescape(text)) for name, text in lines]


@dataclass
class BrowserClient:
    http: aiohttp.ClientSession
    url: str
    cookies: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=lambda: {"Host": HOST, "User-Agent": FIREFOX})

    async def request(
        self, method: str, path: str, form: Mapping[str, str] | bytes | None = None, **headers: str
    ) -> Page:
        sent = {**self.headers, **{name.replace("_", "-"): value for name, value in headers.items()}}
        if self.cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        async with self.http.request(
            method, URL(f"{self.url}{path}", encoded=True), data=form, headers=sent, allow_redirects=False
        ) as response:
            cookies: SimpleCookie = SimpleCookie()
            for header in response.headers.getall("Set-Cookie", []):
                cookies.load(header)
            for name, morsel in cookies.items():
                self.cookies[name] = morsel.value
                if morsel["max-age"] == "0":
                    del self.cookies[name]
            return Page(response.status, response.headers, await response.text(), dict(cookies))

    async def get(self, path: str, **headers: str) -> Page:
        return await self.request("GET", path, **headers)

    async def submit(self, page: str, action: str, **fields: str) -> Page:
        """Open a page, and send a form of it."""
        token = (await self.get(page)).form_token
        return await self.request("POST", action, {"form_token": token, **fields})

    async def sign_in(self, username: str, password: str, next: str = "/") -> Page:  # noqa: A002  the field's name
        return await self.submit("/login", "/login", username=username, password=password, next=next)
