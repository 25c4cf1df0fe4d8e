"""What the language model has cost, against the budget."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from itertools import groupby
from typing import Protocol

import asyncpg

from classification_service.llm import repository
from classification_service.llm.amounts import Amount, Limit
from classification_service.llm.errors import NoLedgerError
from classification_service.llm.prompts import PROMPT_VERSION
from classification_service.llm.schemas import (
    CostUsed,
    DayUsage,
    LanguageModelState,
    PeriodUsage,
    UsageReport,
    Used,
)
from classification_service.llm.service import LanguageModel
from nexus_chassis.unit_of_work import Database

type Counts = Mapping[str, tuple[int, int]]
"""(hits, misses) of the cache by ISO date."""


class CacheCounts(Protocol):
    """Counts what the cache finds."""

    async def counts(self, days: int) -> Counts | None:
        """The counts of the last `days` days; None while they cannot be read."""


class UsageService:
    """Reports usage by day."""

    def __init__(
        self,
        database: Database | None,
        limits: Mapping[str, Limit],
        language_model: LanguageModel | None,
        cache: CacheCounts | None,
    ) -> None:
        self._database = database
        self._limits = limits
        self._language_model = language_model
        self._cache = cache

    async def report(self, days: int) -> UsageReport:
        """The budget now, and the last `days` days that have calls or cached answers, latest first.

        Raises NoLedgerError, DatabaseUnavailableError, PoolExhaustedError.
        """
        if self._database is None:
            raise NoLedgerError
        async with self._database.read() as connection:
            counters = await repository.read_counters(connection)
            rows = await repository.read_days(connection, days)
        counts = None if self._cache is None else await self._cache.counts(days)
        return UsageReport(
            language_model=_state(self._language_model),
            day=_period(*counters["day"], self._limits["day"]),
            month=_period(*counters["month"], self._limits["month"]),
            days=_days(rows, counts),
        )


def _state(language_model: LanguageModel | None) -> LanguageModelState | None:
    if language_model is None:
        return None
    calls = {"closed": "allowed", "open": "paused", "half-open": "on-trial"}[language_model.breaker.state]
    return LanguageModelState.model_validate(
        {"model": language_model.model, "prompt_version": PROMPT_VERSION, "calls": calls}
    )


def _period(starts: date, total: Amount, limit: Limit) -> PeriodUsage:
    return PeriodUsage(
        starts=starts,
        requests=Used(used=total.requests, limit=limit.requests),
        tokens=Used(used=total.tokens, limit=limit.tokens),
        cost=CostUsed(used=_plain(total.cost), limit=limit.cost),
    )


def _days(rows: list[asyncpg.Record], counts: Counts | None) -> list[DayUsage]:
    calls = {day: list(group) for day, group in groupby(rows, key=lambda row: row["day"])}
    found = {date.fromisoformat(day): pair for day, pair in (counts or {}).items()}
    missing = None if counts is None else (0, 0)
    return [_day(day, calls.get(day, []), found.get(day, missing)) for day in sorted({*calls, *found}, reverse=True)]


def _day(day: date, rows: list[asyncpg.Record], cached: tuple[int, int] | None) -> DayUsage:
    def total(name: str) -> int:
        return sum(row[name] for row in rows)

    return DayUsage(
        day=day,
        calls=total("calls"),
        tokens=total("tokens"),
        input_tokens=total("input_tokens"),
        cached_tokens=total("cached_tokens"),
        output_tokens=total("output_tokens"),
        cost=_plain(sum((row["cost"] for row in rows), Decimal(0))),
        outcomes={row["outcome"]: row["calls"] for row in rows},
        cache_hits=cached and cached[0],
        cache_misses=cached and cached[1],
    )


def _plain(cost: Decimal) -> Decimal:
    """Without zeros at the end and without an exponent."""
    return Decimal(f"{cost.normalize():f}")
