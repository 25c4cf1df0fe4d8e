import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import asyncpg
import pytest
from clients import node_packages
from fastapi import FastAPI
from fixtures_of_suite import catalogue
from mcp_clients import CLIENTS, HandshakeWebSocket, McpClient, ModernWebSocket, http_client
from outside import HOST, Names, Outside, running_outside
from runner_process import RunnerProcess
from stack import SECRET, Stack, running
from suite import NODE

import mcp_server
from mcp_server.app import create_app
from mcp_server.limits import MAX_MESSAGE_BYTES
from mcp_server.settings import Settings
from mcp_server.upstream import hosts
from nexus_testkit import Issuer, RevocationServer, revocation_server, serving
from nexus_testkit.schemas import Superuser

ROOT = Path(mcp_server.__file__).parent.parent
PAGE = "https://agents.example"
SCOPES = ["tools:call", "classify", "data:read"]
DEPLOYER_SCOPES = (*SCOPES, "data:write", "workflows:deploy")

_NEEDED = {"conformance/test_suite.py": NODE, "clients/test_node_clients.py": node_packages.NODE}
collect_ignore = [file for file, needed in _NEEDED.items() if not Path(needed).exists()]
"""`make prove` installs what these files need, and runs them."""

type MakeSettings = Callable[..., Settings]
type MakeApp = Callable[..., FastAPI]
type MakeToken = Callable[..., str]


@pytest.fixture
async def stack(issuer: Issuer) -> AsyncIterator[Stack]:
    """The services behind the tools."""
    async with running(Stack(issuer)) as stack:
        yield stack


@pytest.fixture(scope="session")
def schema_url(postgres_admin_url: str) -> Iterator[str]:
    """URL of a role with a schema of its own, for all tests: most register nothing."""
    superuser = Superuser(postgres_admin_url)
    with superuser.temporary_schema() as url:
        yield url
    superuser.close()


@pytest.fixture
async def no_tools(schema_url: str) -> AsyncIterator[None]:
    """Leaves the schema without registered tools, before and after the test."""
    await _delete_tools(schema_url)
    yield
    await _delete_tools(schema_url)


async def _delete_tools(schema_url: str) -> None:
    connection = await asyncpg.connect(schema_url)
    if await connection.fetchval("SELECT to_regclass('tools') IS NOT NULL"):
        await connection.execute("TRUNCATE tools, tool_versions, tool_generations")
    await connection.close()


@pytest.fixture
def make_settings(tmp_path: Path, issuer: Issuer, redis_url: str, schema_url: str) -> MakeSettings:
    """Makes settings that name nothing but the issuer and the stores; keyword arguments add to them."""
    secret, password = tmp_path / "client_secret", tmp_path / "redis_password"
    secret.write_text(SECRET)
    password.write_text("unused")
    postgres = urlsplit(schema_url)
    (postgres_password := tmp_path / "postgres_password").write_text(str(postgres.password))

    def make(**changes: object) -> Settings:
        values: dict[str, Any] = {
            "issuer": issuer.url,
            "jwks_url": issuer.jwks_url,
            "client_secret_file": secret,
            "postgres_url": postgres._replace(
                netloc=f"{postgres.username}@{postgres.hostname}:{postgres.port}"
            ).geturl(),
            "postgres_password_file": postgres_password,
            "redis_url": redis_url,
            "redis_password_file": password,
        }
        return Settings(**(values | changes))

    return make


@pytest.fixture
def environment(make_settings: MakeSettings) -> dict[str, str]:
    """Environment of the service as a process."""
    settings = make_settings()
    return {
        "NEXUS_ISSUER": settings.issuer,
        "NEXUS_JWKS_URL": settings.jwks_url,
        "NEXUS_CLIENT_SECRET_FILE": str(settings.client_secret_file),
        "NEXUS_POSTGRES_URL": settings.postgres_url,
        "NEXUS_POSTGRES_PASSWORD_FILE": str(settings.postgres_password_file),
        "NEXUS_REDIS_URL": settings.redis_url,
        "NEXUS_REDIS_PASSWORD_FILE": str(settings.redis_password_file),
        "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path]),
        "PYTHONWARNINGS": "error",
    }


@pytest.fixture
async def revoking(redis_url: str) -> AsyncIterator[RevocationServer]:
    """What ended, as the gateway answers it."""
    async with revocation_server(redis_url) as server:
        yield server


@pytest.fixture
def app(make_settings: MakeSettings, stack: Stack, revoking: RevocationServer) -> FastAPI:
    """The application, with the stack behind it; pages of https://agents.example may connect."""
    urls = dict.fromkeys(("gateway_url", "classification_url", "dataflow_url"), stack.url)
    return create_app(make_settings(allowed_origins=PAGE, revocations_url=revoking.url, **urls))


@pytest.fixture
async def service(app: FastAPI) -> AsyncIterator[str]:
    """Address of the running service."""
    async with serving(app, max_frame_bytes=MAX_MESSAGE_BYTES) as url:
        yield url


@pytest.fixture
def fixture_app(make_settings: MakeSettings) -> FastAPI:
    """An application with the fixtures of the conformance suite instead of what works on the stack."""
    return create_app(make_settings(), lambda _upstreams, notices: catalogue(notices))


@pytest.fixture
async def fixture_service(fixture_app: FastAPI) -> AsyncIterator[str]:
    """Address of a running service with these fixtures."""
    async with serving(fixture_app, max_frame_bytes=MAX_MESSAGE_BYTES) as url:
        yield url


@pytest.fixture
async def fixture_client(fixture_service: str, token: str) -> AsyncIterator[aiohttp.ClientSession]:
    """An HTTP client of this service that sends the token, and does not read answers as a whole."""
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/json, text/event-stream"}
    async with aiohttp.ClientSession(fixture_service, headers=headers) as session:
        yield session


@pytest.fixture
def token(issuer: Issuer) -> str:
    """A token of alice that may call every tool."""
    return issuer.mint("mcp-server", SCOPES)


@pytest.fixture
async def client(service: str, token: str) -> AsyncIterator[aiohttp.ClientSession]:
    """An HTTP client of the running service that sends the token."""
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/json, text/event-stream"}
    async with http_client(service, headers=headers) as session:
        yield session


@pytest.fixture(params=CLIENTS, ids=lambda kind: kind.__name__)
async def mcp(request: pytest.FixtureRequest, client: aiohttp.ClientSession) -> AsyncIterator[McpClient]:
    """An open MCP client, of each transport and era."""
    mcp: McpClient = request.param(client)
    await mcp.open()
    yield mcp
    if isinstance(mcp, HandshakeWebSocket | ModernWebSocket):
        await mcp.socket.close()


@pytest.fixture
async def outside() -> AsyncIterator[Outside]:
    """A server outside the stack."""
    async with running_outside() as outside:
        yield outside


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    """What the DNS answers about hosts outside the stack."""
    names = Names({HOST: ["127.0.0.1"]})
    monkeypatch.setattr(hosts, "ThreadedResolver", lambda: names)
    return names


@pytest.fixture
def make_app(make_settings: MakeSettings, stack: Stack, revoking: RevocationServer, outside: Outside) -> MakeApp:
    """Makes applications that share the stores and may call the server outside; use it with `names` and `no_tools`."""

    def make(**changes: object) -> FastAPI:
        urls = dict.fromkeys(("gateway_url", "classification_url", "dataflow_url"), stack.url)
        values: dict[str, Any] = {"tool_hosts": outside.allowed, "revocations_url": revoking.url, **urls}
        return create_app(make_settings(**(values | changes)))

    return make


@pytest.fixture
def make_token(issuer: Issuer) -> MakeToken:
    """Makes tokens that may call every tool and register others; keyword arguments are claims, `scopes` replace these."""

    def make(*, scopes: Sequence[str] = DEPLOYER_SCOPES, **claims: Any) -> str:  # noqa: ANN401  any JSON value
        return issuer.mint("mcp-server", list(scopes), **claims)

    return make


@pytest.fixture(scope="session")
def runner_process() -> Iterator[RunnerProcess]:
    """The runner, for all tests that leave it running."""
    process = RunnerProcess()
    yield process
    process.stop()


@pytest.fixture
async def no_workflows(schema_url: str) -> AsyncIterator[None]:
    """Leaves the schema without workflows and registered tools, before and after the test."""
    await _delete_tools(schema_url)
    await _delete_workflows(schema_url)
    yield
    await _delete_tools(schema_url)
    await _delete_workflows(schema_url)


async def _delete_workflows(schema_url: str) -> None:
    connection = await asyncpg.connect(schema_url)
    if await connection.fetchval("SELECT to_regclass('workflow_queue') IS NOT NULL"):
        await connection.execute(
            "TRUNCATE workflow_queue, workflow_run_logs, workflow_runs, workflow_alias_moves, workflow_steps, "
            "workflow_versions, workflows"
        )
    await connection.close()


@pytest.fixture
async def workflow_service(make_app: MakeApp, runner_process: RunnerProcess) -> AsyncIterator[str]:
    """Address of a running service with a runner; use it with `names` and `no_workflows`."""
    async with serving(make_app(runner_url=runner_process.url), max_frame_bytes=MAX_MESSAGE_BYTES) as url:
        yield url


@pytest.fixture
async def deployer(workflow_service: str, make_token: MakeToken) -> AsyncIterator[aiohttp.ClientSession]:
    """A client of this service whose token may deploy workflows."""
    headers = {"Authorization": f"Bearer {make_token()}", "Accept": "application/json, text/event-stream"}
    async with http_client(workflow_service, headers=headers) as client:
        yield client


@pytest.fixture
async def replica(
    make_app: MakeApp, runner_process: RunnerProcess, make_token: MakeToken
) -> AsyncIterator[aiohttp.ClientSession]:
    """A client of a second service with the same stores and runner."""
    headers = {"Authorization": f"Bearer {make_token()}"}
    async with (
        serving(make_app(runner_url=runner_process.url)) as url,
        http_client(url, headers=headers) as client,
    ):
        yield client
