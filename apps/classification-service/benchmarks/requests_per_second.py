"""Items per second through HTTP: requests of 1000 items, beside the baseline of one item per request.

Run: python benchmarks/requests_per_second.py (from the app's folder, with the app and nexus_testkit installed or on PYTHONPATH)
"""

import asyncio
import time

import aiohttp

from classification_service.app import create_app
from classification_service.settings import Settings
from classification_service.taxonomies.service import load_starters
from nexus_testkit.issuer import running_issuer
from nexus_testkit.serving import serving

_ITEMS = 1000
_SINGLES = 200


async def classify(client: aiohttp.ClientSession, texts: list[str]) -> None:
    """One request."""
    body = {"taxonomy": "unspsc", "items": [{"text": text} for text in texts]}
    async with client.post("/v1/classify", json=body) as response:
        response.raise_for_status()
        await response.read()


async def measure(client: aiohttp.ClientSession, requests: list[list[str]]) -> float:
    """Items per second of requests made one after the other."""
    started = time.perf_counter()
    for texts in requests:
        await classify(client, texts)
    return sum(map(len, requests)) / (time.perf_counter() - started)


async def main() -> None:
    """Print the figures."""
    unspsc = load_starters().get("unspsc")
    texts = [f"{example} {node.title}" for node in unspsc.nodes for example in node.examples][:_ITEMS]
    with running_issuer() as issuer:
        settings = Settings(issuer=issuer.url, jwks_url=issuer.jwks_url)
        headers = {"Authorization": f"Bearer {issuer.mint('classification-service', ['classify'])}"}
        async with serving(create_app(settings)) as url, aiohttp.ClientSession(url, headers=headers) as client:
            await classify(client, texts[:1])
            single = await measure(client, [[text] for text in texts[:_SINGLES]])
            batched = await measure(client, [texts] * 3)
    print(f"baseline, one per request {single:8.0f} items/s  ({1000 / single:.2f} ms each)")
    print(f"1000 per request          {batched:8.0f} items/s  ({batched / single:.2f} times the baseline)")


if __name__ == "__main__":
    asyncio.run(main())
