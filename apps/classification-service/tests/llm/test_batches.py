import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from llm_setup import AMPLE, PRICES, budget, database_at, question, read_ledger, read_totals
from openai_stub import KEY, MODEL, running_openai

from classification_service.llm import batch_repository
from classification_service.llm.amounts import Limit, Usage
from classification_service.llm.batches import MAX_QUESTIONS, Batches
from classification_service.llm.client import OpenAiClient
from classification_service.llm.errors import BudgetExhaustedError, NoSuchBatchError, TooManyQuestionsError
from classification_service.llm.models import Choice, Origin, Outcome
from classification_service.llm.prompts import most_usage
from nexus_chassis.background import in_background
from nexus_chassis.unit_of_work import Database

JOB = Origin("job:7", "alice")


@asynccontextmanager
async def batches_at(url: str, database: Database, day: Limit = AMPLE) -> AsyncIterator[Batches]:
    api = OpenAiClient(url, KEY, 5)
    try:
        yield Batches(api, budget(database, day), PRICES, database, MODEL, output_tokens=100, poll_seconds=0)
    finally:
        await api.close()


async def finish(batches: Batches, batch: UUID) -> str:
    """Take the steps of one worker until the batch has ended; returns its state."""
    for _ in range(20):
        if (state := (await batches.get(batch)).state) in {"done", "failed", "cancelled"}:
            assert not await batches.advance()
            return state
        assert await batches.advance()
    raise AssertionError("the batch does not end")


QUESTIONS = [question(f"product {number}", candidates=5) for number in range(4)]


def by_number(document: dict[str, Any]) -> int:
    return int(document["product"].removeprefix("product ")) + 1


async def test_a_batch_has_the_choice_of_each_question_whatever_the_order_of_the_results(postgres_url: str) -> None:
    async with (
        database_at(postgres_url) as database,
        running_openai() as stub,
        batches_at(stub.url, database) as batches,
    ):
        stub.choose = by_number
        batch = await batches.submit(QUESTIONS, JOB)
        assert await finish(batches, batch) == "done"
        assert await batches.choices(batch) == {row: Choice(Outcome.ANSWERED, row) for row in range(4)}
        lines = [json.loads(line) for line in stub.files["file-1"].splitlines()]
        assert [(line["custom_id"], line["method"], line["url"]) for line in lines] == [
            (str(row), "POST", "/v1/chat/completions") for row in range(4)
        ]
        assert stub.batches["batch_1"]["metadata"] == {"nexus_batch": str(batch)}


async def test_a_batch_costs_its_most_while_it_runs_and_half_the_price_of_its_tokens_then(postgres_url: str) -> None:
    async with (
        database_at(postgres_url) as database,
        running_openai() as stub,
        batches_at(stub.url, database) as batches,
    ):
        batch = await batches.submit(QUESTIONS, JOB)
        requests, most, _ = (await read_totals(database))["day"]
        assert (requests, most > 4000) == (4, True)
        await finish(batches, batch)
        ((line),) = await read_ledger(database)
        given, cached, made = (line[f"{kind}_tokens"] for kind in ("input", "cached", "output"))
        cost = (Decimal(2) * (given - cached) + cached + 8 * made) / 1_000_000 / 2
        assert (line["requests"], line["tokens"], line["cost"], line["outcome"]) == (4, given + made, cost, "answered")
        assert (await read_totals(database))["day"] == (4, given + made, cost)


def without(custom_id: str) -> Callable[[list[str]], list[str]]:
    return lambda lines: [line for line in lines if json.loads(line)["custom_id"] != custom_id]


def changed(row: str, **values: object) -> Callable[[list[str]], list[str]]:
    def change(line: str) -> str:
        document = json.loads(line)
        return json.dumps(document | values) if document["custom_id"] == row else line

    return lambda lines: [change(line) for line in lines]


def answering(custom_id: str, content: str) -> Callable[[list[str]], list[str]]:
    body = {"choices": [{"finish_reason": "stop", "message": {"content": content}}]}
    return changed(custom_id, response={"status_code": 200, "body": body})


SPOILED = {
    "missing row": (without("2"), Outcome.MISSING),
    "row cut off": (
        lambda lines: [line if '"custom_id": "2"' not in line else line[:60] for line in lines],
        Outcome.MISSING,
    ),
    "row of another batch": (changed("2", custom_id="99"), Outcome.MISSING),
    "row with an error": (changed("2", response=None, error={"code": "server_error"}), Outcome.REJECTED),
    "row that expired": (changed("2", response=None, error={"code": "batch_expired"}), Outcome.MISSING),
    "row with a status": (changed("2", response={"status_code": 429, "body": {}}), Outcome.REJECTED),
    "row of nonsense": (changed("2", response=[1]), Outcome.REJECTED),
    "row with a wrong code": (answering("2", '{"number": 27112703}'), Outcome.INVALID),
    "row outside the candidates": (answering("2", '{"number": 6}'), Outcome.INVALID),
}


@pytest.mark.parametrize(("spoil", "outcome"), SPOILED.values(), ids=SPOILED)
async def test_rows_that_are_missing_or_wrong_are_found_and_the_others_kept(
    postgres_url: str, spoil: Callable[[list[str]], list[str]], outcome: Outcome
) -> None:
    async with (
        database_at(postgres_url) as database,
        running_openai() as stub,
        batches_at(stub.url, database) as batches,
    ):
        stub.choose, stub.spoil = by_number, spoil
        batch = await batches.submit(QUESTIONS, JOB)
        assert await finish(batches, batch) == "done"
        expected = {row: Choice(Outcome.ANSWERED, row) for row in (0, 1, 3)} | {2: Choice(outcome)}
        assert await batches.choices(batch) == expected


async def test_a_row_that_is_there_twice_counts_once(postgres_url: str) -> None:
    async with (
        database_at(postgres_url) as database,
        running_openai() as stub,
        batches_at(stub.url, database) as batches,
    ):
        stub.choose, stub.spoil = by_number, lambda lines: [*lines, lines[0]]
        batch = await batches.submit(QUESTIONS, JOB)
        await finish(batches, batch)
        assert [line["requests"] for line in await read_ledger(database)] == [4]


async def test_a_row_that_a_completed_batch_lacks_counts_in_full(postgres_url: str) -> None:
    async with (
        database_at(postgres_url) as database,
        running_openai() as stub,
        batches_at(stub.url, database) as batches,
    ):
        stub.spoil = lambda _: []
        batch = await batches.submit(QUESTIONS, JOB)
        before = await read_totals(database)
        await finish(batches, batch)
        assert await read_totals(database) == before
        assert await batches.choices(batch) == dict.fromkeys(range(4), Choice(Outcome.MISSING))


async def test_an_expired_batch_has_what_was_done_and_costs_that(postgres_url: str) -> None:
    async with (
        database_at(postgres_url) as database,
        running_openai() as stub,
        batches_at(stub.url, database) as batches,
    ):
        stub.choose, stub.spoil, stub.statuses = by_number, without("2"), ("in_progress", "expired")
        batch = await batches.submit(QUESTIONS, JOB)
        assert await finish(batches, batch) == "done"
        assert (await batches.choices(batch))[2] == Choice(Outcome.MISSING)
        assert [line["requests"] for line in await read_ledger(database)] == [3]


async def test_a_failed_batch_says_why_and_costs_nothing(postgres_url: str) -> None:
    async with (
        database_at(postgres_url) as database,
        running_openai() as stub,
        batches_at(stub.url, database) as batches,
    ):
        stub.statuses = ("validating", "failed")
        batch = await batches.submit(QUESTIONS, JOB)
        await batches.advance()
        await batches.advance()
        stub.batches["batch_1"]["errors"] = {"data": [{"code": "token_limit_exceeded"}]}
        assert await finish(batches, batch) == "failed"
        assert "token_limit_exceeded" in str((await batches.get(batch)).reason)
        assert (await read_totals(database))["day"] == (0, 0, 0)


async def test_a_batch_is_cancelled_at_the_server_and_keeps_what_was_done(postgres_url: str) -> None:
    async with (
        database_at(postgres_url) as database,
        running_openai() as stub,
        batches_at(stub.url, database) as batches,
    ):
        stub.choose, stub.spoil = by_number, without("3")
        batch = await batches.submit(QUESTIONS, JOB)
        for _ in range(3):
            await batches.advance()
        await batches.cancel(batch)
        assert await finish(batches, batch) == "cancelled"
        assert stub.batches["batch_1"]["status"] == "cancelled"
        expected = {row: Choice(Outcome.ANSWERED, row) for row in range(3)} | {3: Choice(Outcome.CANCELLED)}
        assert await batches.choices(batch) == expected
        await batches.cancel(batch)  # it has ended


@pytest.mark.parametrize("steps", [0, 1])
async def test_a_batch_that_is_cancelled_before_it_is_made_costs_nothing(postgres_url: str, steps: int) -> None:
    async with (
        database_at(postgres_url) as database,
        running_openai() as stub,
        batches_at(stub.url, database) as batches,
    ):
        batch = await batches.submit(QUESTIONS, JOB)
        for _ in range(steps):
            await batches.advance()
        await batches.cancel(batch)
        assert await finish(batches, batch) == "cancelled"
        assert stub.batches == {}
        assert (await read_totals(database))["day"] == (0, 0, 0)
        assert await batches.choices(batch) == dict.fromkeys(range(4), Choice(Outcome.CANCELLED))


async def test_the_budget_holds_for_the_whole_batch(postgres_url: str) -> None:
    day = Limit(requests=3, tokens=10**9, cost=Decimal(9))
    async with (
        database_at(postgres_url) as database,
        running_openai() as stub,
        batches_at(stub.url, database, day) as batches,
    ):
        with pytest.raises(BudgetExhaustedError, match="for this day is used up: requests 3"):
            await batches.submit(QUESTIONS, JOB)
        assert not await batches.advance()
        assert await read_ledger(database) == []


async def test_a_batch_takes_a_number_of_questions_that_fits_into_memory(postgres_url: str) -> None:
    async with database_at(postgres_url) as database, batches_at("http://127.0.0.1:9/v1", database) as batches:
        for count in (0, MAX_QUESTIONS + 1):
            with pytest.raises(TooManyQuestionsError, match=f"found {count}"):
                await batches.submit([question()] * count, JOB)
        unknown = uuid4()
        with pytest.raises(NoSuchBatchError, match=str(unknown)):
            await batches.cancel(unknown)


async def test_a_server_without_batches_makes_the_batch_fail_with_its_words(postgres_url: str) -> None:
    async with database_at(postgres_url) as database, running_openai() as stub:
        url = stub.url.removesuffix("/v1") + "/other"
        async with batches_at(url, database) as batches:
            batch = await batches.submit(QUESTIONS, JOB)
            assert await finish(batches, batch) == "failed"
            assert str((await batches.get(batch)).reason).startswith("Error code: 404")
            assert await batches.choices(batch) == dict.fromkeys(range(4), Choice(Outcome.REJECTED))
            assert (await read_totals(database))["day"] == (0, 0, 0)


async def test_a_step_that_fails_is_tried_again_later(postgres_url: str) -> None:
    async with database_at(postgres_url) as database, running_openai() as stub:
        async with batches_at("http://127.0.0.1:9/v1", database) as batches:
            batch = await batches.submit(QUESTIONS, JOB)
            assert await batches.advance()
            assert not await batches.advance()  # not before some seconds
            assert (await batches.get(batch)).state == "new"
        await make_due(database)
        async with batches_at(stub.url, database) as batches:
            assert await finish(batches, batch) == "done"


async def make_due(database: Database) -> None:
    async with database.read() as connection:
        await connection.execute("UPDATE llm_batches SET leased_until = now()")


async def test_two_workers_do_not_take_the_same_batch(postgres_url: str) -> None:
    async with (
        database_at(postgres_url) as database,
        running_openai() as stub,
        batches_at(stub.url, database) as batches,
    ):
        submitted = [await batches.submit(QUESTIONS, JOB) for _ in range(3)]
        assert await asyncio.gather(*(batches.advance() for _ in range(3))) == [True] * 3
        assert {(await batches.get(batch)).state for batch in submitted} == {"uploaded"}
        assert len(stub.files) == 3


async def test_a_batch_that_is_being_made_is_cancelled_by_the_next_step_and_not_beside_it(postgres_url: str) -> None:
    async with (
        database_at(postgres_url) as database,
        running_openai() as stub,
        batches_at(stub.url, database) as batches,
    ):
        batch = await batches.submit(QUESTIONS, JOB)
        await batches.advance()
        async with database.read() as connection:
            assert await batch_repository.lease(connection, 60) is not None  # another worker makes it at the server
        await batches.cancel(batch)
        assert not await batches.advance()
        assert (await batches.get(batch)).state == "uploaded"


async def test_steps_are_taken_as_they_are_due(postgres_url: str) -> None:
    async with (
        database_at(postgres_url) as database,
        running_openai() as stub,
        batches_at(stub.url, database) as batches,
    ):
        batch = await batches.submit(QUESTIONS, JOB)
        async with asyncio.timeout(20), in_background(batches.run()):
            while (await batches.get(batch)).state != "done":  # noqa: ASYNC110  another process may take the step
                await asyncio.sleep(0.05)


KILLED = """
import asyncio, os, signal, sys
from uuid import UUID
from llm_setup import database_at
from test_batches import batches_at
from classification_service.llm import batch_repository

async def main():
    async with database_at(sys.argv[1]) as database, batches_at(sys.argv[2], database) as batches:
        async def die(*_):
            os.kill(os.getpid(), signal.SIGKILL)
        setattr(batch_repository, sys.argv[3], die)
        while True:
            await batches.advance()

asyncio.run(main())
"""


@pytest.mark.parametrize("place", ["set_uploaded", "set_remote", "end", "release"])
async def test_a_worker_killed_at_any_place_leaves_one_batch_at_the_server_that_another_one_finishes(
    postgres_url: str, place: str
) -> None:
    async with (
        database_at(postgres_url) as database,
        running_openai() as stub,
        batches_at(stub.url, database) as batches,
    ):
        stub.choose = by_number
        batch = await batches.submit(QUESTIONS, JOB)
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", KILLED, postgres_url, stub.url, place, env=environment
        )
        assert await process.wait() == -signal.SIGKILL
        assert not await batches.advance()  # the batch is the killed worker's, until its lease is over
        await make_due(database)
        assert await finish(batches, batch) == "done"
        assert len(stub.batches) == 1
        assert await batches.choices(batch) == {row: Choice(Outcome.ANSWERED, row) for row in range(4)}
        assert [line["outcome"] for line in await read_ledger(database)] == ["answered"]


def test_the_most_that_a_request_may_use_is_what_a_batch_reserves() -> None:
    assert most_usage({"x": "ä"}, 100) == Usage(len('{"x": "ä"}'.encode()) + 64, 0, 100)
