"""What the tests of the language model open: the database, the stub of OpenAI's API, and the model over both."""

import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from openai_stub import KEY, MODEL

from classification_service.app import create_app
from classification_service.llm.amounts import Limit, Prices
from classification_service.llm.breaker import Breaker
from classification_service.llm.budget import Budget
from classification_service.llm.client import OpenAiClient
from classification_service.llm.models import Option, Question
from classification_service.llm.service import Choices, LanguageModel
from classification_service.settings import MIGRATIONS, Settings
from nexus_chassis.postgres import open_database
from nexus_chassis.settings import PostgresSettings
from nexus_chassis.unit_of_work import Database
from nexus_testkit import Issuer, serving

PRICES = Prices(given=Decimal(2), cached=Decimal(1), made=Decimal(8), batch=Decimal("0.5"))
AMPLE = Limit(requests=1_000_000, tokens=1_000_000_000, cost=Decimal(1_000_000))


@asynccontextmanager
async def database_at(postgres_url: str) -> AsyncIterator[Database]:
    url = urlsplit(postgres_url)
    with tempfile.NamedTemporaryFile("w") as password:
        password.write(str(url.password))
        password.flush()
        settings = PostgresSettings(
            postgres_url=url._replace(netloc=f"{url.username}@{url.hostname}:{url.port}").geturl(),
            postgres_password_file=Path(password.name),
        )
        async with open_database(settings, MIGRATIONS) as database:
            yield database


def write_secret(folder: Path, name: str, value: str) -> Path:
    path = folder / name
    path.write_text(value)
    return path


def settings_with_stores(
    folder: Path, postgres_url: str, redis_url: str, issuer: Issuer, **changes: object
) -> Settings:
    url = urlsplit(postgres_url)
    values: dict[str, Any] = {
        "issuer": issuer.url,
        "jwks_url": issuer.jwks_url,
        "revocations_url": "http://127.0.0.1:9/no-session-has-ended",
        "postgres_url": url._replace(netloc=f"{url.username}@{url.hostname}:{url.port}").geturl(),
        "postgres_password_file": write_secret(folder, "postgres_password", str(url.password)),
        "redis_url": redis_url,
        "redis_password_file": write_secret(folder, "redis_password", "unused"),
    }
    return Settings(**(values | changes))


def settings_with_llm(folder: Path, url: str) -> dict[str, Any]:
    return {
        "openai_api_key_file": write_secret(folder, "openai_key", KEY),
        "openai_base_url": url,
        "llm_model": MODEL,
        "llm_price_input": PRICES.given,
        "llm_price_cached": PRICES.cached,
        "llm_price_output": PRICES.made,
    }


@asynccontextmanager
async def client_with(settings: Settings, issuer: Issuer) -> AsyncIterator[aiohttp.ClientSession]:
    token = issuer.mint(settings.service_name, ["classify", "admin"])
    async with (
        serving(create_app(settings)) as url,
        aiohttp.ClientSession(url, headers={"Authorization": f"Bearer {token}"}) as session,
    ):
        yield session


async def classify(client: aiohttp.ClientSession, texts: Sequence[str], **options: object) -> list[dict[str, Any]]:
    body = {"items": [{"text": text} for text in texts], "taxonomy": "unspsc", **options}
    async with client.post("/v1/classify", json=body) as response:
        assert response.status == 200, await response.text()
        items: list[dict[str, Any]] = (await response.json())["items"]
        return items


def budget(database: Database, day: Limit = AMPLE, month: Limit = AMPLE) -> Budget:
    return Budget(database, {"day": day, "month": month}, MODEL)


@asynccontextmanager
async def model_at(
    url: str,
    spending: Budget,
    *,
    call_seconds: float = 5,
    seconds: float = 10,
    key: str = KEY,
    kept: Choices | None = None,
    breaker: Breaker | None = None,
) -> AsyncIterator[LanguageModel]:
    api = OpenAiClient(url, key, call_seconds)
    try:
        yield LanguageModel(
            api, spending, PRICES, MODEL, seconds=seconds, output_tokens=100, kept=kept, breaker=breaker
        )
    finally:
        await api.close()


def question(text: str = "claw hammer", candidates: int = 3, scope: str = "") -> Question:
    options = tuple(Option(f"2711160{n}", ("Tools", f"Title {n}")) for n in range(1, candidates + 1))
    return Question(scope, text, options)


async def read_ledger(database: Database) -> list[dict[str, Any]]:
    async with database.read() as connection:
        rows = await connection.fetch(
            "SELECT requests, tokens, cost, input_tokens, cached_tokens, output_tokens, outcome FROM llm_calls ORDER BY id"
        )
    return [dict(row) for row in rows]


async def read_totals(database: Database) -> dict[str, tuple[int, int, Decimal]]:
    async with database.read() as connection:
        rows = await connection.fetch("SELECT period, requests, tokens, cost FROM llm_budget")
    return {row["period"]: (row["requests"], row["tokens"], row["cost"]) for row in rows}
