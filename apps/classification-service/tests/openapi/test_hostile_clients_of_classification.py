"""schemathesis sends what the document allows, and what it does not, to the service."""

import asyncio

import aiohttp
from models_setup import until_ready

from classification_service.app import create_app
from classification_service.settings import Settings
from nexus_testkit import Issuer, serving
from nexus_testkit.hostile_client import HostileClient, Rule

EXAMPLES = 20

RULES = (
    Rule(422, "invalid-request", "^/body/(top_k|seed): Input should be a valid integer"),  # 8.0 is one to JSON Schema
    Rule(422, "invalid-taxonomy-file"),
    Rule(422, "invalid-job-file"),
    Rule(429, "too-many-jobs"),
    Rule(429, "too-many-runs"),
    Rule(422, "unknown-codes"),
    Rule(422, "invalid-request", "^/body/items/[0-9]+/text: Value error, has no letter and no digit"),
)


async def test_each_operation_is_as_documented(issuer: Issuer, database_settings: dict[str, object]) -> None:
    token = issuer.mint("classification-service", ["classify", "admin"])
    settings = Settings(issuer=issuer.url, jwks_url=issuer.jwks_url, **database_settings)
    async with serving(create_app(settings)) as url:
        async with aiohttp.ClientSession(url) as session, asyncio.timeout(20):
            await until_ready(session)
        client = HostileClient(url, {"Authorization": f"Bearer {token}"}, RULES)
        await asyncio.to_thread(client.try_operations, EXAMPLES)

    assert {
        "POST /v1/classify",
        "POST /v1/feedback",
        "GET /v1/review",
        "GET /v1/taxonomies",
        "GET /v1/models",
        "POST /v1/models/train",
        "GET /v1/models/runs",
    } <= client.operations
