"""Routes to services that the gateway's own code does not know: NEXUS_ROUTES."""

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from conftest import PASSWORD, AddUser, sign_in
from fastapi import FastAPI
from upstream import Upstream

from nexus_chassis.runtime import runtime_of
from nexus_chassis.settings import load
from nexus_chassis.tokens import TokenVerifier
from nexus_gateway.app import create_app
from nexus_gateway.auth.scopes import all_scopes, service_scopes
from nexus_gateway.proxy.routes import routes
from nexus_gateway.settings import OWN_NAMES, Settings
from nexus_testkit import serving


@pytest.fixture
def routed(environment: pytest.MonkeyPatch, upstream: Upstream) -> None:
    """Two more services; must be asked for before `gateway`."""
    environment.setenv("NEXUS_ROUTES", f"pricing={upstream.url} price-list=http://127.0.0.1:9")


@pytest.mark.usefixtures("routed")
class TestRoutedServices:
    async def test_the_service_gets_the_request_with_a_token_of_its_own(
        self, gateway: str, http: aiohttp.ClientSession, add_user: AddUser
    ) -> None:
        caller = await add_user("pricing", "classify")
        async with http.get(f"{gateway}/v1/pricing/echo/x?q=1", headers=caller) as response:
            answer = await response.json()
        token = answer["headers"]["authorization"].removeprefix("Bearer ")
        keys = f"{gateway}/.well-known/jwks.json"
        principal = await TokenVerifier("http://localhost:8000", "pricing", keys).verify(token)

        assert (answer["path"], answer["query"], principal.scopes) == ("/v1/echo/x", "q=1", {"pricing"})

    async def test_a_caller_without_the_scope_is_refused(
        self, gateway: str, http: aiohttp.ClientSession, add_user: AddUser
    ) -> None:
        caller = await add_user("classify", "price-list")
        async with http.get(f"{gateway}/v1/pricing/echo/x", headers=caller) as response:
            assert (response.status, (await response.json(content_type=None))["missing_scopes"]) == (403, ["pricing"])

    async def test_the_administrator_has_the_scopes(
        self, gateway: str, http: aiohttp.ClientSession, admin: dict[str, str]
    ) -> None:
        async with http.get(f"{gateway}/v1/me", headers=admin) as response:
            assert {"pricing", "price-list"} <= set((await response.json())["scopes"])
        async with http.post(f"{gateway}/v1/tokens", headers=admin, json={"audience": "price-list"}) as response:
            assert (response.status, (await response.json())["scope"]) == (201, "price-list")

    async def test_their_state_is_shown(self, gateway: str, http: aiohttp.ClientSession) -> None:
        async with http.get(f"{gateway}/v1/status") as response:
            services = (await response.json())["services"]
        assert (services["pricing"]["status"], services["price-list"]["status"]) == ("ok", "unavailable")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("pricing", "'pricing' is not NAME=ADDRESS, such as pricing=http://pricing:8003."),
        ("Pricing=http://x", "'Pricing=http://x' is not NAME=ADDRESS, such as pricing=http://pricing:8003."),
        (
            "a=http://x,b=http://y/z",
            "'a=http://x,b=http://y/z' is not NAME=ADDRESS, such as pricing=http://pricing:8003.",
        ),
        ("data=http://x", "The name 'data' is taken. Give the service another one."),
        ("a=http://x a=http://y", "The name 'a' is taken. Give the service another one."),
    ],
)
def test_what_is_no_route_is_reported(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], text: str, fault: str
) -> None:
    environment.setenv("NEXUS_ROUTES", text)
    with pytest.raises(SystemExit) as ended:
        load(Settings)
    assert (ended.value.code, capsys.readouterr().err) == (
        78,
        f"Invalid configuration:\n  NEXUS_ROUTES  {fault}\n",
    )


@pytest.mark.usefixtures("environment")
def test_names_that_the_gateway_has_itself_are_taken() -> None:
    paths = [*create_app().openapi()["paths"], *(route.prefix for route in routes(load(Settings))), "/v1/ws"]
    first = {path.split("/")[2] for path in paths if path.startswith("/v1/")}
    scopes = {scope for scope in all_scopes(()) if ":" not in scope}
    assert first | set(service_scopes(())) | scopes | {"nexus-gateway"} == OWN_NAMES


async def reload(app: FastAPI) -> None:
    """What SIGHUP does in each worker process."""
    for hook in runtime_of(app).on_reload:
        await hook()


def write(file: Path, text: str) -> None:
    file.write_text(text)


WRONG_FILES = {
    "missing": (
        None,
        "",
        "NEXUS_ROUTES_FILE  The file FILE cannot be read: No such file or directory. Write the routes to that file.",
    ),
    "no text": (b"\xff", "", "NEXUS_ROUTES_FILE  The file FILE is not UTF-8 text. Write NAME=ADDRESS words to it."),
    "no route": (
        b"pricing",
        "",
        "NEXUS_ROUTES_FILE  'pricing' is not NAME=ADDRESS, such as pricing=http://pricing:8003.",
    ),
    "a name of NEXUS_ROUTES": (
        b"a=http://x",
        "a=http://y",
        "(all)  The name 'a' is taken. Give the service another one.",
    ),
}
"""By what is wrong: the file's content, NEXUS_ROUTES, and what is reported."""


class TestRoutesFile:
    """NEXUS_ROUTES_FILE: read at the start and when the routes are reloaded."""

    @pytest.fixture
    def file(self, environment: pytest.MonkeyPatch, upstream: Upstream, tmp_path: Path) -> Path:
        """The file, with one service; must be asked for before `application`."""
        file = tmp_path / "routes"
        file.write_text(f"pricing={upstream.url}\n")
        environment.setenv("NEXUS_ROUTES_FILE", str(file))
        return file

    @pytest_asyncio.fixture
    async def application(self, file: Path) -> AsyncIterator[tuple[FastAPI, str]]:
        """The gateway's application and its URL."""
        del file
        app = create_app()
        async with serving(app) as url:
            yield app, url

    async def test_its_routes_are_served(self, application: tuple[FastAPI, str], http: aiohttp.ClientSession) -> None:
        _, gateway = application
        status, session = await sign_in(http, gateway, "admin", PASSWORD)
        headers = {"Authorization": f"Bearer {session['access_token']}"}
        async with http.get(f"{gateway}/v1/pricing/echo/x", headers=headers) as response:
            assert (status, response.status) == (201, 200)

    async def test_a_reload_adds_and_removes_services_with_their_audiences_and_their_state(
        self, application: tuple[FastAPI, str], http: aiohttp.ClientSession, file: Path, upstream: Upstream
    ) -> None:
        app, gateway = application
        _, session = await sign_in(http, gateway, "admin", PASSWORD)
        headers = {"Authorization": f"Bearer {session['access_token']}"}
        write(file, f"stock={upstream.url}\n")
        await reload(app)
        async with http.get(f"{gateway}/v1/pricing/echo/x", headers=headers) as gone:
            pass
        _, session = await sign_in(http, gateway, "admin", PASSWORD)
        headers = {"Authorization": f"Bearer {session['access_token']}"}
        async with http.get(f"{gateway}/v1/stock/echo/x", headers=headers) as added:
            pass
        async with http.post(f"{gateway}/v1/tokens", headers=headers, json={"audience": "stock"}) as token:
            pass
        async with http.get(f"{gateway}/v1/status") as response:
            services = (await response.json())["services"]

        assert (gone.status, added.status, token.status) == (404, 200, 201)
        assert {"pricing", "stock"} & set(services) == {"stock"}

    async def test_a_reload_of_a_wrong_file_changes_nothing(
        self, application: tuple[FastAPI, str], http: aiohttp.ClientSession, file: Path
    ) -> None:
        app, gateway = application
        _, session = await sign_in(http, gateway, "admin", PASSWORD)
        write(file, "data=http://x\n")
        with pytest.raises(ValueError, match=r"^The name 'data' is taken\. Give the service another one\.$"):
            await reload(app)
        headers = {"Authorization": f"Bearer {session['access_token']}"}
        async with http.get(f"{gateway}/v1/pricing/echo/x", headers=headers) as response:
            assert response.status == 200

    @pytest.mark.parametrize("wrong", WRONG_FILES)
    def test_a_wrong_file_is_reported(
        self, wrong: str, file: Path, environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        content, routes, fault = WRONG_FILES[wrong]
        file.unlink() if content is None else file.write_bytes(content)
        environment.setenv("NEXUS_ROUTES", routes)
        with pytest.raises(SystemExit) as ended:
            load(Settings)
        found = capsys.readouterr().err.replace(str(file), "FILE")
        assert (ended.value.code, found) == (78, f"Invalid configuration:\n  {fault}\n")
