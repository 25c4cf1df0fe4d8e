import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import asyncpg
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from faulty import FaultyService, faulty_service
from page_client import BrowserClient
from redis.asyncio import Redis
from upstream import Upstream
from websocket_client import Client, client_of

from nexus_gateway.app import create_app
from nexus_gateway.oauth.keys.signing_key import SigningKey
from nexus_testkit import serving

PASSWORD = "correct horse battery staple"
CLIENT_SECRET = "client secret"


def make_signing_key() -> str:
    key = Ed25519PrivateKey.generate()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@pytest.fixture
def secret_files(tmp_path: Path, postgres_url: str) -> dict[str, Path]:
    contents = {
        "NEXUS_POSTGRES_PASSWORD_FILE": str(urlsplit(postgres_url).password),
        "NEXUS_REDIS_PASSWORD_FILE": "any",
        "NEXUS_ADMIN_PASSWORD_FILE": PASSWORD,
        "NEXUS_SIGNING_KEY_FILE": make_signing_key(),
        "NEXUS_CLIENT_SECRET_FILE": CLIENT_SECRET,
    }
    files = {setting: tmp_path / setting.lower() for setting in contents}
    for setting, path in files.items():
        path.write_text(contents[setting])
    return files


@pytest.fixture
def environment(
    monkeypatch: pytest.MonkeyPatch, secret_files: dict[str, Path], postgres_url: str, redis_url: str
) -> pytest.MonkeyPatch:
    for setting, path in secret_files.items():
        monkeypatch.setenv(setting, str(path))
    url = urlsplit(postgres_url)
    monkeypatch.setenv("NEXUS_POSTGRES_URL", url._replace(netloc=f"{url.username}@{url.hostname}:{url.port}").geturl())
    monkeypatch.setenv("NEXUS_REDIS_URL", redis_url)
    monkeypatch.setenv("NEXUS_PASSWORD_TIME_COST", "1")  # the least that the settings allow
    monkeypatch.setenv("NEXUS_PASSWORD_MEMORY_KIB", "7168")
    for setting in ("NEXUS_DATAFLOW_URL", "NEXUS_CLASSIFICATION_URL", "NEXUS_MCP_URL"):
        monkeypatch.setenv(setting, "http://127.0.0.1:9")  # discard: nothing listens there
    return monkeypatch


def serving_gateway() -> AbstractAsyncContextManager[str]:
    """The gateway, with settings from the environment as it is now."""
    return serving(create_app())


@pytest_asyncio.fixture
async def upstream() -> AsyncIterator[Upstream]:
    """A real service behind the gateway."""
    app = Upstream()
    async with serving(app) as app.url:
        yield app


@pytest_asyncio.fixture
async def gateway(environment: pytest.MonkeyPatch, upstream: Upstream) -> AsyncIterator[str]:
    environment.setenv("NEXUS_DATAFLOW_URL", upstream.url)
    async with serving(create_app()) as url:
        yield url


@pytest_asyncio.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
def browser(gateway: str, http: aiohttp.ClientSession) -> BrowserClient:
    return BrowserClient(http, gateway)


@pytest_asyncio.fixture
async def session(gateway: str, http: aiohttp.ClientSession) -> dict[str, Any]:
    """A session of the administrator."""
    async with http.post(f"{gateway}/v1/sessions", json={"username": "admin", "password": PASSWORD}) as response:
        assert response.status == 201, await response.text()
        return dict(await response.json())


@pytest.fixture
def admin(session: dict[str, Any]) -> dict[str, str]:
    """Headers of a request by the administrator."""
    return {"Authorization": f"Bearer {session['access_token']}"}


type TokenWith = Callable[..., dict[str, str]]


@pytest.fixture
def token_with(secret_files: dict[str, Path]) -> TokenWith:
    """Returns headers with a token of the gateway that has these claims."""
    key = SigningKey.load(secret_files["NEXUS_SIGNING_KEY_FILE"])

    def headers(**claims: str) -> dict[str, str]:
        now = int(time.time())
        times = {"iat": now, "exp": now + 600, "jti": secrets.token_hex(8)}
        token = key.sign({"iss": "http://localhost:8000", "aud": "nexus-gateway", **times, **claims})
        return {"Authorization": f"Bearer {token}"}

    return headers


async def sign_in(http: aiohttp.ClientSession, gateway: str, username: str, password: str) -> tuple[int, Any]:
    async with http.post(f"{gateway}/v1/sessions", json={"username": username, "password": password}) as response:
        return response.status, await response.json(content_type=None)


async def ask(
    http: aiohttp.ClientSession, method: str, url: str, headers: dict[str, str], body: object = None
) -> tuple[int, Any]:
    """Status and JSON body of the answer, None for an empty one."""
    async with http.request(method, url, headers=headers, json=body) as response:
        return response.status, await response.json(content_type=None) if await response.read() else None


def problem(status: int, slug: str, title: str, detail: str, **extra: object) -> tuple[int, dict[str, object]]:
    """What `ask` returns for an error."""
    body = {"type": f"urn:nexus:problem:{slug}", "title": title, "status": status, "detail": detail, **extra}
    return status, body


@pytest_asyncio.fixture
async def database(gateway: str, postgres_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection to the schema of a gateway that serves."""
    assert gateway
    connection = await asyncpg.connect(postgres_url)
    yield connection
    await connection.close()


@pytest_asyncio.fixture
async def no_users(environment: pytest.MonkeyPatch, postgres_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection to the gateway's schema, in which there are no users."""
    environment.delenv("NEXUS_ROUTES", raising=False)
    async with serving(create_app()):
        pass  # the schema is migrated
    connection = await asyncpg.connect(postgres_url)
    await connection.execute("DELETE FROM users")
    yield connection
    await connection.close()


type AddUser = Callable[..., Awaitable[dict[str, str]]]

_ADD_USER = """
WITH role AS (INSERT INTO roles (name, scopes) SELECT $1, $2 WHERE $3 <> 'admin')
INSERT INTO users (username, password_hash, tenant, roles)
SELECT $1, password_hash, $4, ARRAY[$3] FROM users WHERE username = 'admin'
"""


@pytest_asyncio.fixture
async def add_user(gateway: str, http: aiohttp.ClientSession, postgres_url: str) -> AsyncIterator[AddUser]:
    """Adds a user with these scopes, those of `admin` all there are; returns the headers of their requests."""
    async with AsyncExitStack() as stack:
        connection = await asyncpg.connect(postgres_url)
        stack.push_async_callback(connection.close)

        async def add(*scopes: str, tenant: str = "default") -> dict[str, str]:
            name = f"u{secrets.token_hex(4)}"
            role = "admin" if "admin" in scopes else name
            await connection.execute(_ADD_USER, name, list(scopes), role, tenant)
            async with http.post(f"{gateway}/v1/sessions", json={"username": name, "password": PASSWORD}) as response:
                return {"Authorization": f"Bearer {(await response.json())['access_token']}"}

        yield add


type Mint = Callable[..., dict[str, str]]


@pytest_asyncio.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(redis_url, decode_responses=True) as client:
        yield client


@pytest_asyncio.fixture
async def client(gateway: str, admin: dict[str, str]) -> AsyncIterator[Client]:
    async with client_of(gateway, admin) as client:
        yield client


@pytest.fixture
def mint(secret_files: dict[str, Path]) -> Mint:
    """Makes the headers of requests with a token of the gateway's own key, which belongs to no session."""
    key = SigningKey.load(secret_files["NEXUS_SIGNING_KEY_FILE"])

    def make(*scopes: str, subject: str = "alice", tenant: str | None = None, lifetime: int = 600) -> dict[str, str]:
        now = int(time.time())
        claims: dict[str, Any] = {
            "iss": "http://localhost:8000",
            "aud": "nexus-gateway",
            "sub": subject,
            "client_id": "tests",
            "jti": secrets.token_hex(8),
            "scope": " ".join(scopes),
            "iat": now,
            "exp": now + lifetime,
        }
        token = key.sign(claims | ({"tenant": tenant} if tenant else {}))
        return {"Authorization": f"Bearer {token}"}

    return make


def token_of(headers: dict[str, str]) -> str:
    return headers["Authorization"].removeprefix("Bearer ")


@pytest_asyncio.fixture
async def add_tenant(gateway: str, postgres_url: str) -> None:
    """There is a tenant `acme`."""
    assert gateway
    connection = await asyncpg.connect(postgres_url)
    await connection.execute("INSERT INTO tenants (id, name) VALUES ('acme', 'Acme')")
    await connection.close()


@pytest_asyncio.fixture
async def faulty(environment: pytest.MonkeyPatch) -> AsyncIterator[FaultyService]:
    """A service behind /v1/classification that sends exact bytes; must be asked for before `gateway`."""
    async with faulty_service("127.0.0.1") as service:
        environment.setenv("NEXUS_CLASSIFICATION_URL", service.url)
        yield service
