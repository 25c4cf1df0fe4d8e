"""What a test meets whose application does not start."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from fastapi import FastAPI

from nexus_chassis.app import build_app
from nexus_chassis.health import Health
from nexus_chassis.settings import ServiceSettings
from nexus_testkit import serving


class Settings(ServiceSettings):
    service_name = "example"


@asynccontextmanager
async def _broken(_: FastAPI) -> AsyncIterator[None]:
    raise ConnectionRefusedError("no route")
    yield


async def test_an_application_that_does_not_start_fails_its_test_and_ends_no_loop() -> None:
    app = build_app(Settings(), version="0.1.0", lifespan=_broken, health=Health("example", "0.1.0"))
    with pytest.raises(RuntimeError, match=r"^the application did not start: its error is in the log$"):
        async with serving(app):
            pytest.fail("it was served")
