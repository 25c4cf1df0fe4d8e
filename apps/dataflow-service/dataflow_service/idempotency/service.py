"""Does what a request asks for once, however often it is sent."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Protocol

import asyncpg

from dataflow_service.idempotency import repository
from dataflow_service.idempotency.errors import AnswerTooLargeError, KeyReusedError, StillRunningError
from dataflow_service.idempotency.models import Answer, Attempt, Kept, StreamAttempt

MAX_ANSWER_BYTES = 1024 * 1024
"""Bytes of an answer that is kept."""

REPLAYED = "Idempotent-Replayed"
"""The header field of an answer that is that of an earlier request."""


class Transaction(Protocol):
    """What changes rows in a transaction, and shares its connection."""

    @property
    def connection(self) -> asyncpg.Connection:
        """The connection of the transaction."""


type Opening[T] = Callable[[], AbstractAsyncContextManager[T]]
"""Opens a transaction, which commits at its end."""


async def answer_once[T: Transaction](
    attempt: Attempt | None, opening: Opening[T], work: Callable[[Opening[T]], Awaitable[Answer]]
) -> Answer:
    """Return the answer of `work`, which opens its transaction by what it is called with.

    Of an attempt, the answer commits in the transaction of the work, and the one that was kept is returned where there is
    one. An error undoes both.

    Raises:
        StillRunningError: The same request is running.
        KeyReusedError: Another request had the key.
        AnswerTooLargeError: The answer cannot be kept.
    """
    if attempt is None:
        return await work(opening)
    found = await _work_or_find(attempt, opening, work)
    return _replayed(attempt, found) if isinstance(found, Kept) else found


async def answer_stream_once[T: Transaction](
    attempt: StreamAttempt,
    parts: AsyncIterator[bytes],
    opening: Opening[T],
    work: Callable[[Opening[T]], Awaitable[Answer]],
) -> Answer:
    """Return the answer of `work`, which reads the body to its end, as `answer_once` does.

    Where an answer was kept, the body is read without a transaction: only then is it known whether it is the same.
    """
    found = await _work_or_find(attempt, opening, work)
    if not isinstance(found, Kept):
        return found
    async for _ in parts:
        pass
    return _replayed(attempt, found)


async def _work_or_find[T: Transaction](
    attempt: Attempt | StreamAttempt, opening: Opening[T], work: Callable[[Opening[T]], Awaitable[Answer]]
) -> Answer | Kept:
    """Return the answer of `work`, which is kept; or what was kept of an earlier request with the key."""
    async with opening() as transaction:
        if not await repository.lock(transaction.connection, attempt):
            raise StillRunningError
        if (kept := await repository.find(transaction.connection, attempt)) is not None:
            return kept
        answer = await work(lambda: nullcontext(transaction))
        if len(answer.body) > MAX_ANSWER_BYTES:
            raise AnswerTooLargeError(MAX_ANSWER_BYTES)
        await repository.store(transaction.connection, attempt, answer)
        return answer


def _replayed(attempt: Attempt | StreamAttempt, kept: Kept) -> Answer:
    if kept.digest != attempt.digest:
        raise KeyReusedError
    answer = kept.answer
    return Answer(answer.body, answer.status, {**answer.headers, REPLAYED: "true"})
