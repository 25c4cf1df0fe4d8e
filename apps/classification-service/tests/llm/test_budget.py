import asyncio
import os
import signal
import sys
from collections import Counter
from decimal import Decimal

import pytest
from llm_setup import AMPLE, PRICES, budget, database_at, read_ledger, read_totals

from classification_service.llm.amounts import NOTHING, Amount, Limit, Usage
from classification_service.llm.errors import BudgetExhaustedError
from classification_service.llm.models import Origin, Outcome, Reservation
from nexus_chassis.unit_of_work import Database

CALL = Amount(1, 1000, Decimal("0.0025"))


async def reserve(database: Database, day: Limit = AMPLE, month: Limit = AMPLE) -> Reservation | str:
    try:
        return await budget(database, day, month).reserve(CALL, Origin("request", "alice"))
    except BudgetExhaustedError as error:
        return f"{error.period} {error.figure}"


async def test_a_call_counts_in_full_until_it_is_settled(postgres_url: str) -> None:
    async with database_at(postgres_url) as database:
        spending = budget(database)
        reservation = await spending.reserve(CALL, Origin("job:7", "alice"))
        assert await read_totals(database) == {
            "day": (1, 1000, Decimal("0.0025")),
            "month": (1, 1000, Decimal("0.0025")),
        }
        usage = Usage(200, 100, 10)
        await spending.settle(reservation, PRICES.amount(usage), usage, Outcome.ANSWERED)
        cost = Decimal("0.00038")  # 100 tokens at 2, 100 cached ones at 1, 10 made ones at 8 for a million
        assert await read_totals(database) == {"day": (1, 210, cost), "month": (1, 210, cost)}
        assert await read_ledger(database) == [
            {
                "requests": 1,
                "tokens": 210,
                "cost": cost,
                "input_tokens": 200,
                "cached_tokens": 100,
                "output_tokens": 10,
                "outcome": "answered",
            }
        ]


async def test_a_call_is_settled_once(postgres_url: str) -> None:
    async with database_at(postgres_url) as database:
        spending = budget(database)
        reservation = await spending.reserve(CALL, Origin())
        for _ in range(2):
            await spending.settle(reservation, Amount(1, 10, Decimal("0.1")), None, Outcome.ANSWERED)
        assert await read_totals(database) == {"day": (1, 10, Decimal("0.1")), "month": (1, 10, Decimal("0.1"))}


@pytest.mark.parametrize(
    ("day", "month", "refusal"),
    [
        (Limit(requests=3, tokens=10**9, cost=Decimal(9)), AMPLE, "day requests"),
        (Limit(requests=9, tokens=3999, cost=Decimal(9)), AMPLE, "day tokens"),
        (Limit(requests=9, tokens=10**9, cost=Decimal("0.0099")), AMPLE, "day cost"),
        (AMPLE, Limit(requests=3, tokens=10**9, cost=Decimal(9)), "month requests"),
        (AMPLE, Limit(requests=9, tokens=3000, cost=Decimal(9)), "month tokens"),
        (AMPLE, Limit(requests=9, tokens=10**9, cost=Decimal("0.0075")), "month cost"),
    ],
)
async def test_no_limit_is_exceeded(postgres_url: str, day: Limit, month: Limit, refusal: str) -> None:
    async with database_at(postgres_url) as database:
        outcomes = [await reserve(database, day, month) for _ in range(5)]
        assert [outcome for outcome in outcomes if isinstance(outcome, str)] == [refusal, refusal]
        assert (await read_totals(database))["month"] == (3, 3000, Decimal("0.0075"))


async def test_a_budget_of_nothing_allows_nothing(postgres_url: str) -> None:
    async with database_at(postgres_url) as database:
        assert await reserve(database, day=Limit(requests=0, tokens=0, cost=Decimal(0))) == "day requests"
        assert await read_ledger(database) == []


async def test_100_callers_at_once_in_two_processes_worth_of_pools_have_the_budget_and_no_more(
    postgres_url: str,
) -> None:
    day = Limit(requests=60, tokens=37_000, cost=Decimal(1))
    async with database_at(postgres_url) as one, database_at(postgres_url) as other:
        outcomes = await asyncio.gather(*(reserve(database, day) for _ in range(50) for database in (one, other)))
        kinds = Counter(outcome if isinstance(outcome, str) else "reserved" for outcome in outcomes)
        assert kinds == {"reserved": 37, "day tokens": 63}
        assert (await read_totals(one))["day"][:2] == (37, 37_000)


async def test_100_callers_that_settle_meanwhile_leave_exact_counters(postgres_url: str) -> None:
    day = Limit(requests=100, tokens=5000, cost=Decimal(1))  # 5 calls at their most, 50 of what they use
    async with database_at(postgres_url) as database:
        spending = budget(database, day)

        async def call() -> int:
            try:
                reservation = await spending.reserve(CALL, Origin())
            except BudgetExhaustedError:
                return 0
            used = Amount(1, 100, Decimal("0.0001"))
            await spending.settle(reservation, used, Usage(90, 0, 10), Outcome.ANSWERED)
            return 1

        made = sum(await asyncio.gather(*(call() for _ in range(100))))
        assert 5 <= made <= 50
        assert await read_totals(database) == {
            period: (made, 100 * made, Decimal("0.0001") * made) for period in ("day", "month")
        }


KILLED = """
import asyncio, os, signal, sys
from llm_setup import budget, database_at
from test_budget import CALL
from classification_service.llm.models import Origin

async def main():
    async with database_at(sys.argv[1]) as database:
        await budget(database).reserve(CALL, Origin("request", "alice"))
        os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


async def test_a_process_killed_before_it_settles_leaves_the_full_cost(postgres_url: str) -> None:
    async with database_at(postgres_url) as database:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", KILLED, postgres_url, env=environment)
        assert await process.wait() == -signal.SIGKILL
        assert await read_totals(database) == {
            "day": (1, 1000, Decimal("0.0025")),
            "month": (1, 1000, Decimal("0.0025")),
        }
        assert [line["outcome"] for line in await read_ledger(database)] == [None]
        day = Limit(requests=1, tokens=10**9, cost=Decimal(9))
        assert await reserve(database, day) == "day requests"


async def test_a_call_that_was_not_made_costs_nothing(postgres_url: str) -> None:
    async with database_at(postgres_url) as database:
        spending = budget(database)
        await spending.settle(await spending.reserve(CALL, Origin()), NOTHING, None, Outcome.CANCELLED)
        assert await read_totals(database) == {"day": (0, 0, 0), "month": (0, 0, 0)}
