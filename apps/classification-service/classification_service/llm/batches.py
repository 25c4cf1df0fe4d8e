"""Questions in batches (OpenAI's Batch API): half the price, an answer within a day.

A batch goes through the states new, uploaded and submitted to done, failed or cancelled. `advance` takes one step, by whichever
process calls it next. What the server has made is noted in PostgreSQL at once; where a process was killed before it could, the
next one looks for it at the server before it makes another.
"""

import asyncio
import json
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import UUID, uuid4

from classification_service.llm import batch_repository, repository
from classification_service.llm.amounts import NOTHING, Amount, Prices, Usage
from classification_service.llm.batch_repository import Batch, Request
from classification_service.llm.budget import LEDGER_AWAY, Budget
from classification_service.llm.errors import CallError, NoSuchBatchError, TooManyQuestionsError
from classification_service.llm.models import Choice, Origin, Outcome, Question
from classification_service.llm.prompts import (
    PROMPT_VERSION,
    Dialect,
    most_usage,
    read_completion,
    read_usage,
    request_body,
)
from classification_service.llm.remote_batch import RemoteBatch
from nexus_chassis.unit_of_work import Database

MAX_QUESTIONS = 5000
"""Questions of one batch: some 20 MB, which a process holds in memory."""

_OPEN_SECONDS = 48 * 3600.0  # in the ledger: a batch may take 24 hours, and as long to be cancelled
_LEASE_SECONDS = 900.0
_POLL_SECONDS = 15.0
_RETRY_SECONDS = 30.0
_IDLE_SECONDS = 5.0
_OK = 200
_log = logging.getLogger(__name__)


class BatchApi(Protocol):
    """The part of an API like OpenAI's that batches need. Each method raises CallError."""

    async def upload(self, name: str, content: bytes) -> str:
        """The id of a new file of requests."""

    async def create_batch(self, file: str, metadata: dict[str, str]) -> RemoteBatch:
        """A new batch of the requests in a file."""

    async def find_batch(self, metadata: dict[str, str]) -> RemoteBatch | None:
        """The batch with this metadata."""

    async def get_batch(self, batch: str) -> RemoteBatch:
        """A batch as it is now."""

    async def cancel_batch(self, batch: str) -> RemoteBatch:
        """A batch after the request to cancel it."""

    async def lines(self, file: str) -> list[object]:
        """The JSON value of each line of a file."""


class Batches:
    """Puts questions to the language model in batches."""

    def __init__(
        self,
        api: BatchApi,
        budget: Budget,
        prices: Prices,
        database: Database,
        model: str,
        *,
        output_tokens: int,
        poll_seconds: float = _POLL_SECONDS,
    ) -> None:
        self._api = api
        self._budget = budget
        self._prices = prices
        self._database = database
        self._model = model
        self._output_tokens = output_tokens
        self._poll_seconds = poll_seconds

    async def submit(self, questions: Sequence[Question], origin: Origin) -> UUID:
        """The id of a new batch, whose budget is reserved.

        Raises BudgetExhaustedError, TooManyQuestionsError, and the errors in LEDGER_AWAY.
        """
        if not 1 <= len(questions) <= MAX_QUESTIONS:
            raise TooManyQuestionsError(len(questions), MAX_QUESTIONS)
        requests = [
            Request(row, request_body(question, self._model, self._output_tokens, Dialect()), len(question.candidates))
            for row, question in enumerate(questions)
        ]
        batch = uuid4()
        async with self._database.unit_of_work() as work:
            reservation = await self._budget.reserve_in(work, self._most(requests), origin, _OPEN_SECONDS)
            await batch_repository.add(
                work.connection,
                batch,
                requests,
                origin=origin,
                call=reservation.id,
                model=self._model,
                prompt_version=PROMPT_VERSION,
            )
        return batch

    async def cancel(self, batch: UUID) -> None:
        """Have the batch cancelled by the next step; what the server has done by then counts. Raises NoSuchBatchError."""
        async with self._database.read() as connection:
            if not await batch_repository.request_cancel(connection, batch):
                await self.get(batch)

    async def get(self, batch: UUID) -> Batch:
        """The batch as it is now; raises NoSuchBatchError."""
        async with self._database.read() as connection:
            found = await batch_repository.find(connection, batch)
        if found is None:
            raise NoSuchBatchError(batch)
        return found

    async def choices(self, batch: UUID) -> dict[int, Choice]:
        """The choice of each question that is done, by its place in the batch: all of them once the batch has ended."""
        async with self._database.read() as connection:
            return await batch_repository.read_choices(connection, batch)

    async def run(self) -> None:
        """Take steps for ever, as they are due, together with other processes that do."""
        while True:
            try:
                busy = await self.advance()
            except LEDGER_AWAY as error:
                _log.warning("batches of the language model wait: %s", error)
                busy = False
            await asyncio.sleep(0 if busy else _IDLE_SECONDS)

    async def advance(self) -> bool:
        """Take the next step of a batch that is due; False where none is. Raises the errors in LEDGER_AWAY."""
        async with self._database.read() as connection:
            batch = await batch_repository.lease(connection, _LEASE_SECONDS)
        if batch is None:
            return False
        try:
            wait = await self._step(batch)
        except CallError as error:
            wait = await self._note_failure(batch, error)
        async with self._database.read() as connection:
            await batch_repository.release(connection, batch.id, wait)
        return True

    async def _step(self, batch: Batch) -> float:
        """Take one step; returns the seconds until the next one."""
        if batch.state == "new" and batch.cancel_requested:
            await self._end(batch, "cancelled", NOTHING, Outcome.CANCELLED)
        elif batch.state == "new":
            await self._upload(batch)
        elif batch.state == "uploaded":
            await self._create(batch)
        else:
            return await self._follow(batch)
        return 0.0

    async def _upload(self, batch: Batch) -> None:
        requests = await self._requests(batch)
        lines = (_line(request) for request in requests)
        file = await self._api.upload(f"nexus-{batch.id}.jsonl", "".join(lines).encode())
        async with self._database.read() as connection:
            await batch_repository.set_uploaded(connection, batch.id, file)

    async def _create(self, batch: Batch) -> None:
        """Make the batch at the server, unless a process did that was killed before it could note it."""
        metadata = {"nexus_batch": str(batch.id)}
        remote = await self._api.find_batch(metadata)
        if remote is None and batch.cancel_requested:
            await self._end(batch, "cancelled", NOTHING, Outcome.CANCELLED)
            return
        remote = remote or await self._api.create_batch(batch.input_file or "", metadata)
        async with self._database.read() as connection:
            await batch_repository.set_remote(connection, batch.id, remote.id, remote.status)

    async def _follow(self, batch: Batch) -> float:
        remote = await self._api.get_batch(batch.remote_id or "")
        if batch.cancel_requested and not remote.ended and remote.status != "cancelling":
            remote = await self._api.cancel_batch(remote.id)
        async with self._database.read() as connection:
            await batch_repository.set_remote(connection, batch.id, remote.id, remote.status)
        if not remote.ended:
            return self._poll_seconds
        await self._collect(batch, remote)
        return 0.0

    async def _collect(self, batch: Batch, remote: RemoteBatch) -> None:
        requests = {str(request.row): request for request in await self._requests(batch)}
        results = _Results()
        for file in remote.files:
            for line in await self._api.lines(file):
                results.add(line, requests, self._output_tokens)
        if remote.status == "completed":
            results.bill_missing(requests.values(), self._output_tokens)
        state = {"failed": "failed", "cancelled": "cancelled"}.get(remote.status, "done")
        rest = Outcome.CANCELLED if state == "cancelled" else Outcome.MISSING
        await self._end(batch, state, results.amount(self._prices), rest, results=results, reason=remote.errors)

    async def _end(
        self,
        batch: Batch,
        state: str,
        amount: Amount | None,
        rest: Outcome,
        *,
        results: "_Results | None" = None,
        reason: str | None = None,
    ) -> None:
        """Enter the outcomes and what they cost, in one transaction; rows without a result have the outcome `rest`."""
        found = results or _Results()
        outcome = Outcome.ANSWERED if found.choices else rest
        async with self._database.unit_of_work() as work:
            await batch_repository.set_choices(work.connection, batch.id, found.choices, rest)
            await batch_repository.end(work.connection, batch.id, state, reason)
            await repository.settle(work.connection, batch.call, amount, found.usage, outcome)

    async def _note_failure(self, batch: Batch, error: CallError) -> float:
        """Where no use comes of another try, the batch has failed; returns the seconds until the next one otherwise."""
        _log.warning("batch %s of the language model, state %s: %s", batch.id, batch.state, error)
        if error.outcome == Outcome.REJECTED:
            amount = None if batch.state == "submitted" else NOTHING
            await self._end(batch, "failed", amount, error.outcome, reason=str(error))
        return error.retry_after or _RETRY_SECONDS

    async def _requests(self, batch: Batch) -> list[Request]:
        async with self._database.read() as connection:
            return await batch_repository.read_requests(connection, batch.id)

    def _most(self, requests: Iterable[Request]) -> Amount:
        most = [most_usage(request.body, self._output_tokens) for request in requests]
        return self._prices.most(sum(most, Usage(0, 0, 0)), requests=len(most), batch=True)


def _line(request: Request) -> str:
    line = {"custom_id": str(request.row), "method": "POST", "url": "/v1/chat/completions", "body": request.body}
    return json.dumps(line, ensure_ascii=False) + "\n"


@dataclass
class _Results:
    """What the files of a batch say, of rows that are in it, the first line of each."""

    choices: dict[int, Choice] = field(default_factory=dict)
    usage: Usage = field(default_factory=lambda: Usage(0, 0, 0))
    billed: int = 0

    def add(self, line: object, requests: dict[str, Request], output_tokens: int) -> None:
        """Read one line. What is no result of a row is passed over, so that the row is missing."""
        values: dict[str, Any] = line if isinstance(line, dict) else {}
        request = requests.get(str(values.get("custom_id")))
        if request is None or request.row in self.choices:
            return
        response = values.get("response")
        self.billed += 1
        if not isinstance(response, dict) or response.get("status_code") != _OK or values.get("error"):
            self.choices[request.row] = Choice(_refusal(values))
            return
        answer = response.get("body")
        self.choices[request.row] = read_completion(answer, request.candidates)
        most = most_usage(request.body, output_tokens)
        self.usage += read_usage(answer, most) or most

    def bill_missing(self, requests: Iterable[Request], output_tokens: int) -> None:
        """Count rows that the server says it has done, and has no line of, at the most that they may cost."""
        for request in requests:
            if request.row not in self.choices:
                self.billed += 1
                self.usage += most_usage(request.body, output_tokens)

    def amount(self, prices: Prices) -> Amount:
        """What the calls cost; one whose figures cannot be right costs the most that it may."""
        return prices.amount(self.usage, requests=self.billed, batch=True)


def _refusal(values: dict[str, Any]) -> Outcome:
    """A line with an error: its time was over, or its request was refused."""
    error = values.get("error")
    expired = isinstance(error, dict) and error.get("code") == "batch_expired"
    return Outcome.MISSING if expired else Outcome.REJECTED
