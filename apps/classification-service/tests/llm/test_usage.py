from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from conftest import client_of
from llm_setup import classify, client_with, settings_with_llm, settings_with_stores
from openai_stub import message, running_openai

from nexus_testkit import Issuer

UNSURE = "Schraubzwinge"


async def read(client: aiohttp.ClientSession, query: str = "") -> tuple[int, Any]:
    async with client.get(f"/v1/usage{query}") as response:
        return response.status, await response.json()


async def test_usage_has_calls_tokens_cost_and_cache_by_day_against_the_budget(
    tmp_path: Path, postgres_url: str, redis_url: str, issuer: Issuer
) -> None:
    figures = {"prompt_tokens": 900, "completion_tokens": 10, "prompt_tokens_details": {"cached_tokens": 500}}
    async with running_openai() as stub:
        stub.faults.append(message('{"number": 1}', usage=figures))
        options = settings_with_llm(tmp_path, stub.url) | {"llm_day_cost": Decimal(1), "llm_day_tokens": 50_000}
        settings = settings_with_stores(tmp_path, postgres_url, redis_url, issuer, **options)
        async with client_with(settings, issuer) as client:
            for _ in range(3):
                await classify(client, [UNSURE])
            _, report = await read(client)
    today = datetime.now(UTC).date()
    cost = "0.00138"  # 400 at 2, 500 at 1, 10 at 8 for a million
    assert report == {
        "language_model": {"model": "stub-model", "prompt_version": "1", "calls": "allowed"},
        "day": {
            "starts": today.isoformat(),
            "requests": {"used": 1, "limit": 10_000},
            "tokens": {"used": 910, "limit": 50_000},
            "cost": {"used": cost, "limit": "1"},
        },
        "month": {
            "starts": today.replace(day=1).isoformat(),
            "requests": {"used": 1, "limit": 100_000},
            "tokens": {"used": 910, "limit": 100_000_000},
            "cost": {"used": cost, "limit": "50"},
        },
        "days": [
            {
                "day": today.isoformat(),
                "calls": 1,
                "tokens": 910,
                "input_tokens": 900,
                "cached_tokens": 500,
                "output_tokens": 10,
                "cost": cost,
                "outcomes": {"answered": 1},
                "cache_hits": 2,
                "cache_misses": 1,
            }
        ],
    }


async def test_usage_is_there_before_anything_was_used_and_without_a_language_model(
    tmp_path: Path, postgres_url: str, redis_url: str, issuer: Issuer
) -> None:
    async with client_with(settings_with_stores(tmp_path, postgres_url, redis_url, issuer), issuer) as client:
        status, report = await read(client, "?days=92")
    assert (status, report["language_model"], report["days"]) == (200, None, [])
    assert report["day"]["cost"] == {"used": "0", "limit": "5"}


async def test_only_administrators_see_usage(issuer: Issuer) -> None:
    async with client_of(issuer, "classify") as client:
        status, problem = await read(client)
    assert (status, problem["type"]) == (403, "urn:nexus:problem:insufficient-scope")


async def test_a_service_without_a_database_says_so(issuer: Issuer) -> None:
    async with client_of(issuer, "admin") as client:
        status, problem = await read(client)
    assert (status, problem["type"]) == (409, "urn:nexus:problem:no-database")


@pytest.mark.parametrize("query", ["?days=0", "?days=93", "?days=x"])
async def test_the_number_of_days_has_its_limits(issuer: Issuer, query: str) -> None:
    async with client_of(issuer, "admin") as client:
        assert (await read(client, query))[0] == 422
