import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from subprocess import CompletedProcess, run
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest

from classification_service.app import create_app, open_registered
from classification_service.classify import classifier as classifiers
from classification_service.classify.classifier import Classifier
from classification_service.encoder.encoder import SentenceEncoder
from classification_service.encoder.encoders import Encoders
from classification_service.encoder.multilingual.encoder import MultilingualEncoder
from classification_service.settings import Settings
from classification_service.taxonomies.service import Taxonomies, load_starters
from nexus_testkit.issuer import Issuer
from nexus_testkit.serving import serving

APP = Path(__file__).parents[1]
FIXTURES = Path(__file__).parent / "fixtures"


@pytest.fixture(scope="session", autouse=True)
def _encoders_opened_once() -> Iterator[None]:
    """Lets the services of all tests share their encoders, which take longer to open than most tests."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("SentenceEncoder", "MultilingualEncoder"):
            patch.setattr(classifiers, name, cache(getattr(classifiers, name)))
        yield


@pytest.fixture(scope="session")
def encoder() -> SentenceEncoder:
    return SentenceEncoder()


@pytest.fixture(scope="session")
def encoders(encoder: SentenceEncoder) -> Encoders:
    return Encoders(encoder, MultilingualEncoder())


@pytest.fixture(scope="session")
def taxonomies() -> Taxonomies:
    return load_starters()


@pytest.fixture(scope="session")
def classifier(encoder: SentenceEncoder, taxonomies: Taxonomies) -> Classifier:
    return Classifier(encoder, taxonomies)


@pytest.fixture
def database_settings(tmp_path: Path, postgres_url: str) -> dict[str, object]:
    """Settings of a service with a schema of its own."""
    url = urlsplit(postgres_url)
    password = tmp_path / "postgres_password"
    password.write_text(str(url.password))
    address = url._replace(netloc=f"{url.username}@{url.hostname}:{url.port}").geturl()
    return {"postgres_url": address, "postgres_password_file": password}


@asynccontextmanager
async def client_of(issuer: Issuer, *scopes: str, **options: Any) -> AsyncIterator[aiohttp.ClientSession]:  # noqa: ANN401  settings, and `open_model`
    open_model = options.pop("open_model", open_registered)
    settings = Settings(issuer=issuer.url, jwks_url=issuer.jwks_url, **options)
    token = issuer.mint("classification-service", scopes)
    async with (
        serving(create_app(settings, open_model)) as url,
        aiohttp.ClientSession(url, headers={"Authorization": f"Bearer {token}"}) as session,
    ):
        yield session


@pytest.fixture
async def client(issuer: Issuer) -> AsyncIterator[aiohttp.ClientSession]:
    async with client_of(issuer, "classify") as session:
        yield session


def command(*arguments: str | Path, **environment: str) -> CompletedProcess[str]:
    """Run `python -m classification_service`."""
    program = [sys.executable, "-m", "classification_service", *map(str, arguments)]
    variables = {**os.environ, "COLUMNS": "200", **environment}
    return run(program, capture_output=True, text=True, check=False, cwd=APP, env=variables)
