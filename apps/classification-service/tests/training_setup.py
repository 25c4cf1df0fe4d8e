"""What the tests of training and of models use: the calls, and trainers with a stand-in for training."""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Any

import aiohttp
import asyncpg
import fake_fits
from conftest import APP
from llm_setup import database_at

from classification_service.encoder.encoder import SHIPPED_NAME
from classification_service.training_runs.material import Material
from classification_service.training_runs.models import Fit
from classification_service.training_runs.trainer import Limits, Trainer
from nexus_chassis.background import in_background
from nexus_testkit.issuer import Issuer

SECONDS = 60
DRILLS, PAPER = "27112703", "14111507"
HERE = Path(__file__).parent
AMPLE = Limits(1000, 100_000)


@asynccontextmanager
async def trainer(
    postgres_url: str, folder: Path, fit: Fit = fake_fits.quick, *, limits: Limits = AMPLE
) -> AsyncIterator[None]:
    async with database_at(postgres_url) as database:
        working = Trainer(database, Material(database, SHIPPED_NAME), fit, limits, folder / "heartbeat")
        async with in_background(working.run()):
            yield


async def call(client: aiohttp.ClientSession, method: str, path: str, **options: Any) -> tuple[int, Any]:  # noqa: ANN401  JSON
    async with client.request(method, f"/v1{path}", **options) as response:
        content = await response.read()
        return response.status, await response.json() if content else None


async def train(client: aiohttp.ClientSession, seed: int = 50, **options: Any) -> dict[str, Any]:  # noqa: ANN401  as above
    status, run = await call(client, "POST", "/models/train", json={"taxonomy": "unspsc", "seed": seed}, **options)
    assert status == 202, run
    found: dict[str, Any] = run
    return found


async def get(client: aiohttp.ClientSession, run: dict[str, Any], **options: Any) -> dict[str, Any]:  # noqa: ANN401  as above
    status, found = await call(client, "GET", f"/models/runs/{run['id']}", **options)
    assert status == 200, found
    answer: dict[str, Any] = found
    return answer


async def until(
    client: aiohttp.ClientSession, run: dict[str, Any], *states: str, share: float = 0, seconds: float = SECONDS
) -> dict[str, Any]:
    deadline = time.monotonic() + seconds
    while (found := await get(client, run))["state"] not in states or found["share"] < share:
        assert time.monotonic() < deadline, found
        await asyncio.sleep(0.05)
    return found


async def decide(client: aiohttp.ClientSession, text: str, code: str, **options: Any) -> None:  # noqa: ANN401  as above
    body = {"taxonomy": "unspsc", "items": [{"text": text, "code": code}]}
    status, answer = await call(client, "POST", "/feedback", json=body, **options)
    assert status == 200, answer


async def file_of(postgres_url: str, model: str, number: int = 0) -> str:
    connection = await asyncpg.connect(postgres_url)
    try:
        parts = await connection.fetch(
            "SELECT content FROM model_parts WHERE model_id = $1 AND file = $2 ORDER BY number", model, number
        )
    finally:
        await connection.close()
    return b"".join(part["content"] for part in parts).decode()


def headers_of(issuer: Issuer, tenant: str, *scopes: str) -> dict[str, str]:
    token = issuer.mint("classification-service", scopes or ("classify", "admin"), tenant=tenant)
    return {"Authorization": f"Bearer {token}"}


@contextmanager
def trainer_process(settings: dict[str, object], fit: str, folder: Path) -> Iterator[Popen[str]]:
    """A trainer that can be killed; its log is what it has written."""
    environment = {
        **os.environ,
        "NEXUS_POSTGRES_URL": str(settings["postgres_url"]),
        "NEXUS_POSTGRES_PASSWORD_FILE": str(settings["postgres_password_file"]),
        "PYTHONPATH": f"{APP}:{HERE}:{os.environ.get('PYTHONPATH', '')}",
        fake_fits.RELEASE: str(folder / "release"),
    }
    command = [sys.executable, str(HERE / "trainer_process.py"), fit, str(folder / "heartbeat")]
    with Popen(command, env=environment, stdout=PIPE, stderr=PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()
