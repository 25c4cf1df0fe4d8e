import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from subprocess import CompletedProcess, run

import aiohttp
import pytest

from classification_service.app import create_app
from classification_service.classify.classifier import Classifier
from classification_service.encoder.encoder import SentenceEncoder
from classification_service.settings import Settings
from classification_service.taxonomies.service import Taxonomies, load_starters
from nexus_testkit.issuer import Issuer
from nexus_testkit.serving import serving

APP = Path(__file__).parents[1]
FIXTURES = Path(__file__).parent / "fixtures"


@pytest.fixture(scope="session")
def encoder() -> SentenceEncoder:
    return SentenceEncoder()


@pytest.fixture(scope="session")
def taxonomies() -> Taxonomies:
    return load_starters()


@pytest.fixture(scope="session")
def classifier(encoder: SentenceEncoder, taxonomies: Taxonomies) -> Classifier:
    return Classifier(encoder, taxonomies)


@asynccontextmanager
async def client_of(issuer: Issuer, *scopes: str) -> AsyncIterator[aiohttp.ClientSession]:
    settings = Settings(issuer=issuer.url, jwks_url=issuer.jwks_url)
    token = issuer.mint("classification-service", scopes)
    async with (
        serving(create_app(settings)) as url,
        aiohttp.ClientSession(url, headers={"Authorization": f"Bearer {token}"}) as session,
    ):
        yield session


@pytest.fixture
async def client(issuer: Issuer) -> AsyncIterator[aiohttp.ClientSession]:
    async with client_of(issuer, "classify") as session:
        yield session


def command(*arguments: str | Path) -> CompletedProcess[str]:
    """Run `python -m classification_service`."""
    program = [sys.executable, "-m", "classification_service", *map(str, arguments)]
    return run(program, capture_output=True, text=True, check=False, cwd=APP, env={**os.environ, "COLUMNS": "200"})
