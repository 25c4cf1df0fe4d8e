"""The ledger and the counters of the budget, in PostgreSQL."""

from datetime import date

import asyncpg

from classification_service.llm.amounts import Amount, Usage
from classification_service.llm.models import Origin, Outcome

type Periods = dict[str, tuple[date, Amount]]


async def lock_counters(connection: asyncpg.Connection) -> Periods:
    """(start, total) of today's and of this month's counter, which nobody else changes until the transaction ends."""
    await connection.execute(_MAKE)
    return {
        row["period"]: (row["starts"], Amount(row["requests"], row["tokens"], row["cost"]))
        for row in await connection.fetch(_LOCK)
    }


_CURRENT = """
SELECT name, date_trunc(name, now() AT TIME ZONE 'UTC')::date AS starts FROM unnest(ARRAY['day', 'month']) AS name
"""
_MAKE = f"INSERT INTO llm_budget (period, starts) {_CURRENT} ORDER BY name ON CONFLICT DO NOTHING"
_LOCK = f"""
SELECT period, llm_budget.starts, requests, tokens, cost
  FROM llm_budget JOIN ({_CURRENT}) AS current ON period = name AND llm_budget.starts = current.starts
 ORDER BY period FOR UPDATE OF llm_budget
"""  # noqa: S608  text of this file


async def add_call(
    connection: asyncpg.Connection,
    periods: Periods,
    amount: Amount,
    *,
    origin: Origin,
    model: str,
    prompt_version: str,
    seconds: float,
) -> int:
    """Count a call that may be made in locked counters, and enter it into the ledger; returns its id.

    `seconds` is how long it may stay open before the ledger shows it as expired.
    """
    day, month = periods["day"][0], periods["month"][0]
    await connection.execute(_ADD, day, month, amount.requests, amount.tokens, amount.cost)
    values = (day, month, origin.name, origin.subject, model, prompt_version)
    figures = (amount.requests, amount.tokens, amount.cost, seconds)
    return int(await connection.fetchval(_ENTER, *values, *figures))


_ADD = """
UPDATE llm_budget SET requests = requests + $3, tokens = tokens + $4, cost = cost + $5
 WHERE (period, starts) IN (('day', $1), ('month', $2))
"""
_ENTER = """
INSERT INTO llm_calls (day, month, origin, subject, model, prompt_version, requests, tokens, cost, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, now() + make_interval(secs => $10)) RETURNING id
"""


async def settle(
    connection: asyncpg.Connection, call: int, amount: Amount | None, usage: Usage | None, outcome: Outcome
) -> bool:
    """Replace a reservation by what the call cost, or keep its amount where that is None; False where it was settled.

    The counters that it is in are changed with it.
    """
    row = await connection.fetchrow(_FIND_OPEN, call)
    if row is None:
        return False
    reserved = Amount(row["requests"], row["tokens"], row["cost"])
    final = amount or reserved
    tokens = (usage.given, usage.cached, usage.made) if usage else (None, None, None)
    await connection.execute(_LOCK_OF_CALL, row["day"], row["month"])
    await connection.execute(
        _ADD,
        row["day"],
        row["month"],
        final.requests - reserved.requests,
        final.tokens - reserved.tokens,
        final.cost - reserved.cost,
    )
    await connection.execute(_SETTLE, call, final.requests, final.tokens, final.cost, *tokens, outcome.value)
    return True


_FIND_OPEN = "SELECT day, month, requests, tokens, cost FROM llm_calls WHERE id = $1 AND settled_at IS NULL FOR UPDATE"
_LOCK_OF_CALL = """
SELECT 1 FROM llm_budget WHERE (period, starts) IN (('day', $1::date), ('month', $2::date)) ORDER BY period FOR UPDATE
"""
_SETTLE = """
UPDATE llm_calls
   SET requests = $2, tokens = $3, cost = $4, input_tokens = $5, cached_tokens = $6, output_tokens = $7, outcome = $8,
       settled_at = now()
 WHERE id = $1
"""


async def read_counters(connection: asyncpg.Connection) -> Periods:
    """(start, total) of today and of this month, also where nothing was counted yet."""
    return {
        row["name"]: (row["starts"], Amount(row["requests"], row["tokens"], row["cost"]))
        for row in await connection.fetch(_COUNTERS)
    }


_COUNTERS = f"""
SELECT name, current.starts, coalesce(requests, 0) AS requests, coalesce(tokens, 0) AS tokens,
       coalesce(cost, 0::numeric) AS cost
  FROM ({_CURRENT}) AS current LEFT JOIN llm_budget ON period = name AND llm_budget.starts = current.starts
"""  # noqa: S608  text of this file


async def read_days(connection: asyncpg.Connection, days: int) -> list[asyncpg.Record]:
    """For each of the last `days` days with calls, latest first, and each outcome: calls, tokens and cost.

    A call that is open is `open`, and `expired` where its time is over.
    """
    return list(await connection.fetch(_DAYS, days))


_DAYS = """
SELECT day,
       CASE WHEN settled_at IS NOT NULL THEN outcome WHEN expires_at < now() THEN 'expired' ELSE 'open' END AS outcome,
       sum(requests)::bigint AS calls, sum(tokens)::bigint AS tokens, sum(cost) AS cost,
       coalesce(sum(input_tokens), 0)::bigint AS input_tokens, coalesce(sum(cached_tokens), 0)::bigint AS cached_tokens,
       coalesce(sum(output_tokens), 0)::bigint AS output_tokens
  FROM llm_calls
 WHERE day > (now() AT TIME ZONE 'UTC')::date - $1::int
 GROUP BY 1, 2 ORDER BY 1 DESC, 2
"""
