"""What the tests of models use: models that are registered without training, and what is asked of the service."""

from functools import partial
from typing import Any

import aiohttp
from conftest import client_of as real_client_of
from fake_models import open_fake
from llm_setup import database_at
from training_setup import SECONDS, call

from classification_service.model_registry.models import Line, Origin
from classification_service.model_registry.service import NewModel, register
from nexus_testkit import waiting

until = partial(waiting.until, seconds=SECONDS)
TITLES = "all-minilm-l6-v2"
OWN = f"{TITLES}+unspsc-starter-1"
STARTER = Line("unspsc", "starter-1", "", "")
client_of = partial(real_client_of, open_model=open_fake)


async def put(
    postgres_url: str,
    accuracy: float,
    *,
    line: Line = STARTER,
    name: str = "",
    size: int = 10,
) -> str:
    """Register a model of that accuracy, as a trainer does."""
    report: dict[str, object] = {
        "rows": 50,
        "levels": {"segment": {"accuracy": 0.9}, "commodity": {"accuracy": accuracy}},
    }
    new = NewModel({"name": f"{name}{accuracy}".encode(), "weights": bytes(size)}, report)
    origin = Origin(labels=7, generation=3, seed=1, parent=None, created_by="trainer")
    async with database_at(postgres_url) as database, database.unit_of_work() as work:
        return await register(work, line, new, origin, limit=10_000_000)


async def activate(client: aiohttp.ClientSession, model: str, **options: Any) -> tuple[int, Any]:  # noqa: ANN401  JSON
    force = options.pop("force", False)
    return await call(client, "POST", f"/models/{model}/activate", json={"force": force}, **options)


async def version_of(client: aiohttp.ClientSession, **options: Any) -> str:  # noqa: ANN401  as above
    """The model that answers, or the problem: a version that was just imported is unknown until it is loaded."""
    body = {"taxonomy": "unspsc", "items": [{"text": "cordless drill"}], **options.pop("body", {})}
    status, answer = await call(client, "POST", "/classify", json=body, **options)
    found: str = answer["items"][0]["model_version"] if status == 200 else answer["type"]
    return found.removesuffix("+unspsc-starter-1").removesuffix("+unspsc-26.0801")


async def until_answered_by(client: aiohttp.ClientSession, model: str, **options: Any) -> None:  # noqa: ANN401  as above
    async def answers() -> bool:
        return await version_of(client, **options) == model

    await until(answers)


async def until_ready(client: aiohttp.ClientSession) -> None:
    """Wait until the service has looked for imported taxonomies and models: before, /readyz answers 503."""

    async def is_ready() -> bool:
        async with client.get("/readyz") as response:
            return response.status == 200

    await until(is_ready)


async def health_of(client: aiohttp.ClientSession) -> tuple[str, str | None]:
    async with client.get("/health") as response:
        report = await response.json()
        return report["status"], report["checks"]["models"].get("error")


async def until_health(client: aiohttp.ClientSession, status: str, error: str | None) -> None:
    async def is_so() -> bool:
        return await health_of(client) == (status, error)

    await until(is_so)


async def trained(client: aiohttp.ClientSession, **options: Any) -> list[dict[str, Any]]:  # noqa: ANN401  as above
    status, answer = await call(client, "GET", "/models", **options)
    assert status == 200, answer
    found: list[dict[str, Any]] = answer["trained"]
    return found
