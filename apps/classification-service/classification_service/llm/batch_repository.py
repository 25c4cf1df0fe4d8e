"""Batches of questions, in PostgreSQL."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg

from classification_service.llm.models import Choice, Origin, Outcome

OPEN_STATES = ("new", "uploaded", "submitted")


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """A batch as it is kept; `call` is its line in the ledger."""

    id: UUID
    state: str
    cancel_requested: bool
    call: int
    origin: str
    model: str
    input_file: str | None
    remote_id: str | None
    remote_status: str | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class Request:
    """A row of a batch: the request, and how many candidates its answer may be one of."""

    row: int
    body: dict[str, Any]
    candidates: int


_COLUMNS = "id, state, cancel_requested, call_id, origin, model, input_file, remote_id, remote_status, reason"


def _batch(row: asyncpg.Record) -> Batch:
    values = dict(row)
    return Batch(call=values.pop("call_id"), **values)


async def add(
    connection: asyncpg.Connection,
    batch: UUID,
    requests: Sequence[Request],
    *,
    origin: Origin,
    call: int,
    model: str,
    prompt_version: str,
) -> None:
    """Enter a new batch with its rows."""
    await connection.execute(_ADD, batch, origin.name, origin.subject, call, model, prompt_version)
    rows = [(batch, request.row, json.dumps(request.body), request.candidates) for request in requests]
    await connection.executemany(_ADD_ROW, rows)


_ADD = """
INSERT INTO llm_batches (id, origin, subject, state, call_id, model, prompt_version) VALUES ($1, $2, $3, 'new', $4, $5, $6)
"""
_ADD_ROW = "INSERT INTO llm_batch_rows (batch, row, request, candidates) VALUES ($1, $2, $3, $4)"


async def find(connection: asyncpg.Connection, batch: UUID) -> Batch | None:
    """The batch with that id."""
    row = await connection.fetchrow(f"SELECT {_COLUMNS} FROM llm_batches WHERE id = $1", batch)  # noqa: S608  columns
    return None if row is None else _batch(row)


async def lease(connection: asyncpg.Connection, seconds: float) -> Batch | None:
    """An open batch that nobody works on, which is the caller's for so many seconds; the one that waits longest."""
    row = await connection.fetchrow(_LEASE, seconds)
    return None if row is None else _batch(row)


_LEASE = f"""
UPDATE llm_batches SET leased_until = now() + make_interval(secs => $1)
 WHERE id = (SELECT id FROM llm_batches WHERE ended_at IS NULL AND leased_until <= now()
              ORDER BY leased_until LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING {_COLUMNS}
"""  # noqa: S608  columns


async def release(connection: asyncpg.Connection, batch: UUID, seconds: float) -> None:
    """Let others have the batch, in so many seconds."""
    await connection.execute(
        "UPDATE llm_batches SET leased_until = now() + make_interval(secs => $2) WHERE id = $1", batch, seconds
    )


async def set_uploaded(connection: asyncpg.Connection, batch: UUID, file: str) -> None:
    """Note the file of the requests."""
    await connection.execute("UPDATE llm_batches SET state = 'uploaded', input_file = $2 WHERE id = $1", batch, file)


async def set_remote(connection: asyncpg.Connection, batch: UUID, remote: str, status: str) -> None:
    """Note the server's batch and its status."""
    await connection.execute(_SET_REMOTE, batch, remote, status)


_SET_REMOTE = "UPDATE llm_batches SET state = 'submitted', remote_id = $2, remote_status = $3 WHERE id = $1"


async def request_cancel(connection: asyncpg.Connection, batch: UUID) -> bool:
    """Ask whoever works on the batch next to cancel it; False where it has ended, or there is none.

    Whoever works on it now keeps it: the server may be making it at this moment.
    """
    return bool(await connection.fetchval(_CANCEL, batch))


_CANCEL = "UPDATE llm_batches SET cancel_requested = true WHERE id = $1 AND ended_at IS NULL RETURNING true"


async def end(connection: asyncpg.Connection, batch: UUID, state: str, reason: str | None) -> None:
    """Close a batch."""
    await connection.execute(
        "UPDATE llm_batches SET state = $2, reason = $3, ended_at = now() WHERE id = $1", batch, state, reason
    )


async def read_requests(connection: asyncpg.Connection, batch: UUID) -> list[Request]:
    """All rows, in order."""
    rows = await connection.fetch(
        "SELECT row, request, candidates FROM llm_batch_rows WHERE batch = $1 ORDER BY row", batch
    )
    return [Request(row["row"], json.loads(row["request"]), row["candidates"]) for row in rows]


async def set_choices(connection: asyncpg.Connection, batch: UUID, choices: dict[int, Choice], rest: Outcome) -> None:
    """Enter the outcome of each row; rows without a choice have the outcome `rest`."""
    values = [(batch, row, choice.number, choice.outcome.value) for row, choice in choices.items()]
    await connection.executemany(
        "UPDATE llm_batch_rows SET number = $3, outcome = $4 WHERE batch = $1 AND row = $2", values
    )
    await connection.execute(
        "UPDATE llm_batch_rows SET outcome = $2 WHERE batch = $1 AND outcome IS NULL", batch, rest.value
    )


async def read_choices(connection: asyncpg.Connection, batch: UUID) -> dict[int, Choice]:
    """The choice of each row that is done, by row."""
    rows = await connection.fetch(
        "SELECT row, number, outcome FROM llm_batch_rows WHERE batch = $1 AND outcome IS NOT NULL ORDER BY row", batch
    )
    return {row["row"]: _choice(Outcome(row["outcome"]), row["number"]) for row in rows}


def _choice(outcome: Outcome, number: int | None) -> Choice:
    return Choice(outcome, number - 1) if outcome == Outcome.ANSWERED and number else Choice(outcome)
