"""The budget: no call without a reservation of the most that it may cost.

The counters are in PostgreSQL, so that all replicas share them. They have each call at the most that it may cost before it is
made, and at what it cost once the server has said so; a process that is killed in between leaves the former.
"""

import logging
from collections.abc import Mapping

import asyncpg

from classification_service.llm import repository
from classification_service.llm.amounts import Amount, Limit, Usage
from classification_service.llm.errors import BudgetExhaustedError
from classification_service.llm.models import Origin, Outcome, Reservation
from classification_service.llm.prompts import PROMPT_VERSION
from nexus_chassis.errors import DatabaseUnavailableError, PoolExhaustedError
from nexus_chassis.unit_of_work import Database, UnitOfWork

CALL_SECONDS = 600.0
"""How long a call is open before the ledger shows it as expired."""

LEDGER_AWAY = (DatabaseUnavailableError, PoolExhaustedError, asyncpg.PostgresError)
"""What a reservation raises where PostgreSQL cannot make it."""

_log = logging.getLogger(__name__)


class Budget:
    """Reserves what calls may cost, as long as the limits of the day and of the month hold it."""

    def __init__(self, database: Database, limits: Mapping[str, Limit], model: str) -> None:
        self._database = database
        self._limits = limits
        self._model = model

    async def reserve(self, amount: Amount, origin: Origin) -> Reservation:
        """A reservation; raises BudgetExhaustedError, and the errors in LEDGER_AWAY."""
        async with self._database.unit_of_work() as work:
            return await self.reserve_in(work, amount, origin)

    async def reserve_in(
        self, work: UnitOfWork, amount: Amount, origin: Origin, seconds: float = CALL_SECONDS
    ) -> Reservation:
        """A reservation that is made when the transaction commits; raises BudgetExhaustedError."""
        periods = await repository.lock_counters(work.connection)
        for period, (_, total) in periods.items():
            wanted = Amount(total.requests + amount.requests, total.tokens + amount.tokens, total.cost + amount.cost)
            if exceeded := self._limits[period].exceeded_by(wanted):
                raise BudgetExhaustedError(period, *exceeded)
        call = await repository.add_call(
            work.connection,
            periods,
            amount,
            origin=origin,
            model=self._model,
            prompt_version=PROMPT_VERSION,
            seconds=seconds,
        )
        return Reservation(call, amount)

    async def settle(
        self, reservation: Reservation, amount: Amount | None, usage: Usage | None, outcome: Outcome
    ) -> None:
        """Enter what a call cost; None leaves it at the most that it may have cost, as does a PostgreSQL that is away."""
        try:
            async with self._database.unit_of_work() as work:
                await repository.settle(work.connection, reservation.id, amount, usage, outcome)
        except LEDGER_AWAY as error:
            _log.warning("call %d of the language model stays at its full reservation: %s", reservation.id, error)
