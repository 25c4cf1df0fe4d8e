"""The language model: answers questions as far as time, budget and server allow, and never in the place of a local answer."""

import asyncio
import hashlib
import json
import logging
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Protocol, TypeGuard

from prometheus_client import Counter

from classification_service.llm.amounts import UNBILLED, Prices, Usage
from classification_service.llm.breaker import MAX_PAUSE_SECONDS, Breaker
from classification_service.llm.budget import LEDGER_AWAY, Budget
from classification_service.llm.errors import BudgetExhaustedError, CallError
from classification_service.llm.models import DECIDED, HEALTHY, Choice, Origin, Outcome, Question, Reservation
from classification_service.llm.prompts import (
    PROMPT_VERSION,
    Dialect,
    most_usage,
    read_completion,
    read_usage,
    request_body,
)

ATTEMPTS = 3
"""Calls for one question, where the server asks to repeat them."""

CONCURRENCY = 16
"""Questions that one process has under way."""

_BACKOFF_SECONDS = 0.5
_MAX_BACKOFF_SECONDS = 8.0
_log = logging.getLogger(__name__)

CALLS = Counter("llm_questions", "questions to the language model, by outcome", ["outcome"])


class ChatApi(Protocol):
    """An API like OpenAI's."""

    async def complete(self, body: Mapping[str, Any]) -> object:
        """The completion, any JSON value; raises CallError."""


class Choices(Protocol):
    """Keeps what was chosen. It answers at once, also where its store is away."""

    async def find(self, keys: Sequence[str]) -> list[str | None]:
        """What is kept by each key."""

    async def keep(self, values: Mapping[str, str]) -> None:
        """Keep values by their keys."""


class LanguageModel:
    """Asks one language model. `version` names it and the prompt: answers of another version may differ."""

    def __init__(
        self,
        api: ChatApi,
        budget: Budget,
        prices: Prices,
        model: str,
        *,
        seconds: float,
        output_tokens: int,
        kept: Choices | None = None,
        breaker: Breaker | None = None,
    ) -> None:
        self.version = f"{model}+prompt-{PROMPT_VERSION}"
        self.breaker = breaker or Breaker()
        self.model = model
        self._api = api
        self._budget = budget
        self._prices = prices
        self._seconds = seconds
        self._output_tokens = output_tokens
        self._kept = kept
        self._dialect = Dialect()
        self._free = asyncio.Semaphore(CONCURRENCY)
        self._held_until = 0.0

    async def check(self) -> None:
        """Raise RuntimeError while no calls are made, for a health check."""
        if self.breaker.state == "open":
            raise RuntimeError(f"No calls for now, after failures: {self.breaker.reason}")

    async def choose(self, questions: Sequence[Question], origin: Origin) -> list[Choice]:
        """A choice for each question, in their order, within the seconds that were set. It raises no errors of its own."""
        unique = {self._key(question): question for question in questions}
        choices = await self._find(unique)
        asked = await self._ask_all({key: unique[key] for key in unique if key not in choices}, origin)
        for choice in asked.values():
            CALLS.labels(choice.outcome).inc()
        await self._keep(unique, asked)
        choices.update(asked)
        return [choices[self._key(question)] for question in questions]

    def _key(self, question: Question) -> str:
        content = json.dumps([self.version, asdict(question)]).encode()
        return hashlib.sha256(content).hexdigest()

    async def _find(self, questions: Mapping[str, Question]) -> dict[str, Choice]:
        scoped = {key: question for key, question in questions.items() if question.scope}
        if self._kept is None or not scoped:
            return {}
        pairs = zip(scoped.items(), await self._kept.find(list(scoped)), strict=True)
        return {key: Choice.of(int(value)) for (key, question), value in pairs if _is_number(value, question)}

    async def _keep(self, questions: Mapping[str, Question], choices: Mapping[str, Choice]) -> None:
        values = {
            key: str(choice.number)
            for key, choice in choices.items()
            if choice.outcome in DECIDED and questions[key].scope
        }
        if self._kept is not None and values:
            await self._kept.keep(values)

    async def _ask_all(self, questions: Mapping[str, Question], origin: Origin) -> dict[str, Choice]:
        if not questions:
            return {}
        deadline = time.monotonic() + self._seconds
        tasks = {
            key: asyncio.create_task(self._ask_in_turn(question, origin, deadline))
            for key, question in questions.items()
        }
        try:
            await asyncio.wait(tasks.values(), timeout=self._seconds)
        finally:
            for task in tasks.values():
                task.cancel()
            await asyncio.wait(tasks.values())
        return {key: _choice_of(task) for key, task in tasks.items()}

    async def _ask_in_turn(self, question: Question, origin: Origin, deadline: float) -> Choice:
        async with self._free:
            return await self._ask(question, origin, deadline)

    async def _ask(self, question: Question, origin: Origin, deadline: float) -> Choice:
        """Attempts until one has an answer, or there is no use or no time for another."""
        for attempt in range(1, ATTEMPTS + 1):
            if not await _sleep_until(self._held_until, deadline):
                return Choice(Outcome.RATE_LIMITED)
            if not self.breaker.allow():
                return Choice(Outcome.PAUSED)
            try:
                return await self._attempt(question, origin)
            except CallError as error:
                outcome = error.outcome
                moment = time.monotonic() + _wait(error, attempt)
                if not error.retry or attempt == ATTEMPTS or not await _sleep_until(moment, deadline):
                    break
        return Choice(outcome)

    async def _attempt(self, question: Question, origin: Origin) -> Choice:
        """One call, which is reserved before and settled after it. When it is cancelled, the reservation stays as it is."""
        dialect = self._dialect
        body = request_body(question, self.model, self._output_tokens, dialect)
        most = most_usage(body, self._output_tokens)
        try:
            reservation = await self._reserve(most, origin)
            try:
                answer = await self._api.complete(body)
            except CallError as error:
                await self._budget.settle(reservation, None if error.billed else UNBILLED, None, error.outcome)
                self._note_failure(error, dialect)
                raise
            return await self._settle(reservation, answer, question, most)
        finally:
            self.breaker.undecided()

    async def _reserve(self, most: Usage, origin: Origin) -> Reservation:
        try:
            return await self._budget.reserve(self._prices.most(most), origin)
        except BudgetExhaustedError as error:
            raise CallError(Outcome.BUDGET, str(error)) from None
        except LEDGER_AWAY as error:
            raise CallError(Outcome.STORE_AWAY, str(error)) from None

    async def _settle(self, reservation: Reservation, answer: object, question: Question, most: Usage) -> Choice:
        choice = read_completion(answer, len(question.candidates))
        usage = read_usage(answer, most)
        amount = None if usage is None else self._prices.amount(usage)
        if choice.outcome in HEALTHY:
            self.breaker.succeeded()
        else:
            self.breaker.failed("answers that cannot be used")
        await self._budget.settle(reservation, amount, usage, choice.outcome)
        return choice

    def _note_failure(self, error: CallError, dialect: Dialect) -> None:
        """Learn from a failed call: another dialect, a wait, or that the server does not do its job."""
        if error.outcome == Outcome.REJECTED and (other := dialect.without(str(error))) != dialect:
            _log.warning("the language model's server refuses %s, trying %s: %s", dialect, other, error)
            self._dialect, error.retry = other, True
            return
        if error.retry_after is not None:
            wait = min(error.retry_after, MAX_PAUSE_SECONDS)
            self._held_until = max(self._held_until, time.monotonic() + wait)
        _log.warning("a call of the language model failed (%s): %s", error.outcome, error)
        self.breaker.failed(str(error), final=error.final)


def _choice_of(task: asyncio.Task[Choice]) -> Choice:
    """What became of a question; a fault of this service is in the log, and leaves the local answer too."""
    if task.cancelled():
        return Choice(Outcome.LATE)
    if (error := task.exception()) is not None:
        _log.error("a question to the language model failed", exc_info=error)
        return Choice(Outcome.FAILED)
    return task.result()


def _is_number(value: str | None, question: Question) -> TypeGuard[str]:
    return value is not None and value.isdecimal() and int(value) <= len(question.candidates)


def _wait(error: CallError, attempt: int) -> float:
    """Seconds before the next attempt: what the server asked for, or more with each attempt, and not the same for all."""
    if error.retry_after is not None:
        return error.retry_after
    if error.outcome == Outcome.REJECTED:
        return 0.0
    return min(_BACKOFF_SECONDS * 2.0**attempt, _MAX_BACKOFF_SECONDS) * random.uniform(0.5, 1)  # noqa: S311  no secret


async def _sleep_until(moment: float, deadline: float) -> bool:
    """Whether the moment is before the deadline; then it is there when this returns."""
    if moment >= deadline:
        return False
    await asyncio.sleep(max(0.0, moment - time.monotonic()))
    return True
