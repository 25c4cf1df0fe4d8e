"""Items per second from the cache through HTTP, in requests of 1000, beside the same items computed.

Run: python benchmarks/cached_requests_per_second.py (from the app's folder, with NEXUS_TEST_POSTGRES_URL and
NEXUS_TEST_REDIS_URL of servers with nothing of value, as `make unit` sets them)
"""

import asyncio
import os
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp

from classification_service.app import create_app
from classification_service.settings import Settings
from classification_service.taxonomies.service import load_starters
from nexus_testkit.issuer import running_issuer
from nexus_testkit.schemas import Superuser
from nexus_testkit.serving import serving

_ITEMS = 1000
_REQUESTS = 10


def texts() -> list[str]:
    """Names of products as suppliers write them, some words and a number, and of this run alone."""
    run = time.time_ns()
    unspsc = load_starters().get("unspsc")
    names = [f"{example} {node.title}" for node in unspsc.nodes for example in node.examples]
    return [f"{names[number % len(names)]} {run}-{number}" for number in range(_ITEMS)]


def settings(postgres_url: str, redis_url: str, folder: Path, **tokens: str) -> Settings:
    """Those of a service with both stores."""
    url = urlsplit(postgres_url)
    (folder / "password").write_text(str(url.password))
    stores = {
        "postgres_url": url._replace(netloc=f"{url.username}@{url.hostname}:{url.port}").geturl(),
        "postgres_password_file": folder / "password",
        "redis_url": redis_url,
        "redis_password_file": folder / "password",
    }
    return Settings.model_validate(stores | tokens)


async def classify(client: aiohttp.ClientSession, body: dict[str, object]) -> set[str]:
    """The sources of the answers of one request."""
    async with client.post("/v1/classify", json=body) as response:
        response.raise_for_status()
        return {item["source"] for item in (await response.json())["items"]}


async def measure(client: aiohttp.ClientSession) -> None:
    """Print the figures."""
    body: dict[str, object] = {"taxonomy": "unspsc", "items": [{"text": text} for text in texts()]}
    started = time.perf_counter()
    computed = await classify(client, body)
    baseline = _ITEMS / (time.perf_counter() - started)
    started, cpu = time.perf_counter(), time.process_time()
    cached = [await classify(client, body) for _ in range(_REQUESTS)]
    rate = _ITEMS * _REQUESTS / (time.perf_counter() - started)
    busy = _ITEMS * _REQUESTS / (time.process_time() - cpu)
    if computed != {"model"} or any(sources != {"cache"} for sources in cached):
        raise SystemExit(f"the answers are not from where they should be: {computed}, {cached}")
    print(f"computed        {baseline:8.0f} items/s")
    print(f"from the cache  {rate:8.0f} items/s  ({rate / baseline:.1f} times as many)")
    print(f"for each second of CPU, that of the client included  {busy:8.0f} items")


async def serve(made: Settings, token: str) -> None:
    """Measure a service with these settings."""
    headers = {"Authorization": f"Bearer {token}"}
    async with serving(create_app(made)) as url, aiohttp.ClientSession(url, headers=headers) as client:
        await classify(client, {"taxonomy": "unspsc", "items": [{"text": "warm"}]})
        await measure(client)


def main() -> None:
    """Measure with a schema of its own, and Redis's database 15."""
    superuser = Superuser(os.environ["NEXUS_TEST_POSTGRES_URL"])
    redis_url = urlsplit(os.environ["NEXUS_TEST_REDIS_URL"])._replace(path="/15").geturl()
    with superuser.temporary_schema() as url, running_issuer() as issuer, tempfile.TemporaryDirectory() as folder:
        made = settings(url, redis_url, Path(folder), issuer=issuer.url, jwks_url=issuer.jwks_url)
        asyncio.run(serve(made, issuer.mint("classification-service", ["classify"])))
    superuser.close()


if __name__ == "__main__":
    main()
