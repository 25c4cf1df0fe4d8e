"""Does what a request asks for once, however often it is sent."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Protocol

import asyncpg

from dataflow_service.idempotency import repository
from dataflow_service.idempotency.errors import AnswerTooLargeError, StillRunningError
from dataflow_service.idempotency.models import Answer, Attempt

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
    async with opening() as transaction:
        if not await repository.lock(transaction.connection, attempt):
            raise StillRunningError
        kept = await repository.find(transaction.connection, attempt)
        if kept is not None:
            return Answer(kept.body, kept.status, {**kept.headers, REPLAYED: "true"})
        answer = await work(lambda: nullcontext(transaction))
        if len(answer.body) > MAX_ANSWER_BYTES:
            raise AnswerTooLargeError(MAX_ANSWER_BYTES)
        await repository.store(transaction.connection, attempt, answer)
        return answer
