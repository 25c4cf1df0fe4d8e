import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from llm_setup import classify, client_with, database_at, settings_with_stores

from classification_service.cache import repository
from classification_service.cache.bounded import PAUSE_SECONDS, WAIT_SECONDS
from classification_service.cache.service import AnswerCache
from nexus_chassis import redis
from nexus_chassis.settings import RedisSettings
from nexus_testkit import Issuer


@asynccontextmanager
async def cache_at(redis_url: str, folder: Path) -> AsyncIterator[AnswerCache]:
    password = folder / "password"
    password.write_text("unused")
    async with redis.create_redis(RedisSettings(redis_url=redis_url, redis_password_file=password)) as client:
        yield AnswerCache(client)


@asynccontextmanager
async def silent_server() -> AsyncIterator[str]:
    """A server that takes connections and never answers."""

    async def keep_silent(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            writer.close()

    server = await asyncio.start_server(keep_silent, "127.0.0.1", 0)
    yield f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0"
    server.close()
    server.close_clients()


async def test_what_is_kept_is_found_by_its_key(tmp_path: Path, redis_url: str) -> None:
    async with cache_at(redis_url, tmp_path) as cache:
        await cache.keep({"a": "1", "b": "2"})
        assert await cache.find(["b", "c", "a"]) == ["2", None, "1"]
        assert await cache.find([]) == []


async def test_hits_are_counted(tmp_path: Path, redis_url: str) -> None:
    async with cache_at(redis_url, tmp_path) as cache:
        assert await cache.counts(3) == {}
        await cache.count(3, 1)
        await cache.count(0, 1)
        assert list((await cache.counts(3) or {}).values()) == [(3, 2)]


async def test_each_correction_starts_a_generation_when_it_commits(postgres_url: str) -> None:
    async with database_at(postgres_url) as database:

        async def generation(version: str) -> int:
            async with database.read() as connection:
                return await repository.read_generation(connection, "unspsc", version)

        assert await generation("1") == 0
        async with database.unit_of_work() as work:
            assert await repository.start_generation(work.connection, "unspsc", "1") == 1
            assert await generation("1") == 0
        assert (await generation("1"), await generation("2")) == (1, 0)
        with suppress(KeyError):
            async with database.unit_of_work() as work:
                assert await repository.start_generation(work.connection, "unspsc", "1") == 2
                raise KeyError
        assert await generation("1") == 1


async def test_redis_that_is_away_or_hangs_is_waited_for_once_and_briefly(tmp_path: Path) -> None:
    async with silent_server() as silent:
        for url in (silent, "redis://127.0.0.1:9/0"):
            async with cache_at(url, tmp_path) as cache:
                started = time.monotonic()
                assert await cache.find(["a"]) == [None]
                assert time.monotonic() - started < WAIT_SECONDS + 1
                started = time.monotonic()
                for _ in range(100):
                    assert await cache.find(["a"]) == [None]
                    await cache.keep({"a": "1"})
                    await cache.count(1, 1)
                assert await cache.counts(3) is None
                assert time.monotonic() - started < 2 < PAUSE_SECONDS


async def test_the_same_items_are_answered_from_the_cache(
    tmp_path: Path, postgres_url: str, redis_url: str, issuer: Issuer
) -> None:
    async with client_with(settings_with_stores(tmp_path, postgres_url, redis_url, issuer), issuer) as client:
        first = await classify(client, ["claw hammer", "laptop"])
        again = await classify(client, ["laptop", "claw hammer", "ball bearing"])
        assert [item["source"] for item in first + again] == ["model", "model", "cache", "cache", "model"]
        laptop, hammer, _ = again
        assert hammer == {**first[0], "index": 1, "source": "cache"}
        assert laptop == {**first[1], "index": 0, "source": "cache"}


async def test_an_answer_from_the_cache_has_the_id_of_its_own_item(
    tmp_path: Path, postgres_url: str, redis_url: str, issuer: Issuer
) -> None:
    async with client_with(settings_with_stores(tmp_path, postgres_url, redis_url, issuer), issuer) as client:
        for name in ("sku-1", "sku-2", None):
            body = {"taxonomy": "unspsc", "items": [{"id": name, "text": "claw hammer"}]}
            async with client.post("/v1/classify", json=body) as response:
                assert (await response.json())["items"][0]["id"] == name


OTHERS = {
    "text": {"items": [{"text": "claw hammers", "attributes": {"weight": 1}}]},
    "attribute": {"items": [{"text": "claw hammer", "attributes": {"weight": 2}}]},
    "no attribute": {"items": [{"text": "claw hammer"}]},
    "attribute in the text": {"items": [{"text": "claw hammer weight 1"}]},
    "language": {"items": [{"text": "claw hammer", "attributes": {"weight": 1}, "language": "de"}]},
    "taxonomy": {"taxonomy": "etim"},
    "top_k": {"top_k": 3},
    "llm": {"llm": "never"},
}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
async def test_an_answer_belongs_to_all_that_it_depends_on(
    tmp_path: Path, postgres_url: str, redis_url: str, issuer: Issuer, other: dict[str, object]
) -> None:
    body = {"taxonomy": "unspsc", "items": [{"text": "claw hammer", "attributes": {"weight": 1}}]}
    async with client_with(settings_with_stores(tmp_path, postgres_url, redis_url, issuer), issuer) as client:
        sources = []
        for sent in (body, body | other, body):
            async with client.post("/v1/classify", json=sent) as response:
                sources.append((await response.json())["items"][0]["source"])
        assert sources == ["model", "model", "cache"]


async def test_a_correction_ends_the_answers_of_before(
    tmp_path: Path, postgres_url: str, redis_url: str, issuer: Issuer
) -> None:
    async with (
        client_with(settings_with_stores(tmp_path, postgres_url, redis_url, issuer), issuer) as client,
        database_at(postgres_url) as database,
    ):
        await classify(client, ["claw hammer"])
        async with database.unit_of_work() as work:
            await repository.start_generation(work.connection, "unspsc", "starter-1")
        sources = [item["source"] for _ in range(2) for item in await classify(client, ["claw hammer"])]
        assert sources == ["model", "cache"]


async def test_another_version_of_the_service_may_have_kept_something_else(
    tmp_path: Path, postgres_url: str, redis_url: str, issuer: Issuer
) -> None:
    async with (
        client_with(settings_with_stores(tmp_path, postgres_url, redis_url, issuer), issuer) as client,
        redis.create_redis(
            RedisSettings(redis_url=redis_url, redis_password_file=tmp_path / "redis_password")
        ) as store,
    ):
        await classify(client, ["claw hammer"])
        for key in await store.keys("classification:answers:*"):
            await store.set(key, '{"code": 7}')
        assert [item["source"] for item in await classify(client, ["claw hammer"])] == ["model"]


async def test_classification_goes_on_at_once_while_redis_hangs(
    tmp_path: Path, postgres_url: str, issuer: Issuer
) -> None:
    async with silent_server() as url:
        settings = settings_with_stores(tmp_path, postgres_url, url, issuer)
        async with client_with(settings, issuer) as client:
            await classify(client, ["claw hammer"])
            started = time.monotonic()
            for _ in range(10):
                assert [item["source"] for item in await classify(client, ["claw hammer"])] == ["model"]
            assert time.monotonic() - started < 2
