import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from page_client import BrowserClient
from small_provider import CLIENT_ID, CLIENT_SECRET, Configure, SmallProvider, small_provider


def toml(value: object) -> str:
    return json.dumps(value)  # texts, lists of texts and truth values are written alike


def table(**fields: object) -> str:
    return "\n".join(
        ["[[providers]]", *(f"{name} = {toml(value)}" for name, value in fields.items() if value is not None), ""]
    )


@pytest_asyncio.fixture
async def provider() -> AsyncIterator[SmallProvider]:
    async with small_provider() as provider:
        yield provider


@pytest.fixture
def configure(environment: pytest.MonkeyPatch, provider: SmallProvider, tmp_path: Path) -> Configure:
    """Writes the file with the providers `small` and `other`; the arguments are options of `small`."""
    secret = tmp_path / "oidc_secret"
    secret.write_text(CLIENT_SECRET)
    fields: dict[str, Any] = {"client_id": CLIENT_ID, "client_secret_file": str(secret)}

    def write(**options: object) -> None:
        known = {"issuer": provider.url, **fields, "create_users": True, "roles": ["viewer"], **options}
        small = table(name="small", label="Small", **known)
        other = table(name="other", label="Other & Co", issuer="http://127.0.0.1:9", create_users=True, **fields)
        file = tmp_path / "providers.toml"
        file.write_text(small + other)
        environment.setenv("NEXUS_OIDC_PROVIDERS_FILE", str(file))

    write()
    return write


@pytest.fixture
def browser(configure: Configure, gateway: str, http: aiohttp.ClientSession) -> BrowserClient:
    assert configure
    return BrowserClient(http, gateway)
