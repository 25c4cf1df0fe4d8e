"""What GET /v1/usage returns."""

from datetime import date
from decimal import Decimal
from typing import Literal

from pydantic import BaseModel


class Used(BaseModel):
    """How much of a limit is used; open calls count at the most that they may cost."""

    used: int
    limit: int


class CostUsed(BaseModel):
    """The same of money, in the currency of the prices that are set."""

    used: Decimal
    limit: Decimal


class PeriodUsage(BaseModel):
    """The budget of the day or month that began at `starts` (UTC)."""

    starts: date
    requests: Used
    tokens: Used
    cost: CostUsed


class LanguageModelState(BaseModel):
    """The language model that is asked; `calls` is `open` where none are made for a while, after failures."""

    model: str
    prompt_version: str
    calls: Literal["allowed", "paused", "on-trial"]


class DayUsage(BaseModel):
    """One day. `outcomes` counts the calls by how they ended; `cache_hits` is null while Redis is away."""

    day: date
    calls: int
    tokens: int
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    cost: Decimal
    outcomes: dict[str, int]
    cache_hits: int | None
    cache_misses: int | None


class UsageReport(BaseModel):
    """What the language model costs, and what the cache spares."""

    language_model: LanguageModelState | None
    day: PeriodUsage
    month: PeriodUsage
    days: list[DayUsage]
