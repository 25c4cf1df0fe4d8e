"""Reads and changes rows, and tells of each change."""

from typing import Any

from dataflow_service.catalogue.schemas import Model
from dataflow_service.changes.service import Changes
from dataflow_service.errors import database_problems
from dataflow_service.rows import schemas
from dataflow_service.rows.repository import Row, RowRepository
from nexus_chassis.problems import Problem


class RowService:
    """Rows of any model."""

    def __init__(self, repository: RowRepository, changes: Changes) -> None:
        self._repository = repository
        self._changes = changes

    async def create(self, model: Model, body: bytes) -> Row:
        """Create a row from a JSON object."""
        values = schemas.new_row(model, body)
        with database_problems(model):
            row = await self._repository.create(model, values)
        await self._changes.publish(model, "create", [row["id"]], list(values))
        return row

    async def create_many(self, model: Model, body: bytes) -> list[Any]:
        """Create a row from each object of a JSON array, all or none, and give their ids in the same order."""
        rows = schemas.new_rows(model, body)
        if not rows:
            return []
        with database_problems(model):
            ids = await self._repository.create_many(model, rows)
        await self._changes.publish(model, "create", ids, list(rows[0]))
        return ids

    async def read(self, model: Model, row_id: str) -> Row:
        """Give a row."""
        with database_problems(model):
            row = await self._repository.read(model, schemas.row_id(model, row_id))
        return _present(model, row_id, row)

    async def change(self, model: Model, row_id: str, body: bytes) -> Row:
        """Set the fields that a JSON object names, and leave the others."""
        return await self._set(model, row_id, schemas.change(model, body))

    async def replace(self, model: Model, row_id: str, body: bytes) -> Row:
        """Set all fields; those that the JSON object does not name get their defaults."""
        return await self._set(model, row_id, schemas.new_row(model, body))

    async def _set(self, model: Model, row_id: str, values: schemas.Values) -> Row:
        identity = schemas.row_id(model, row_id)
        with database_problems(model):
            row = _present(model, row_id, await self._repository.change(model, identity, values))
        await self._changes.publish(model, "update", [identity], list(values))
        return row

    async def delete(self, model: Model, row_id: str) -> None:
        """Delete a row."""
        identity = schemas.row_id(model, row_id)
        with database_problems(model):
            deleted = await self._repository.delete(model, identity)
        if not deleted:
            raise no_such_row(model, row_id)
        await self._changes.publish(model, "delete", [identity], [])

    async def list(self, model: Model, *, after: str | None, limit: int, descending: bool) -> dict[str, Any]:
        """Give one page of rows, and in `next` what to send as `after` for the next one, null at the end."""
        beyond = None if after is None else schemas.row_id(model, after, "query", "after")
        with database_problems(model):
            rows = await self._repository.list(model, after=beyond, limit=limit + 1, descending=descending)
        page = rows[:limit]
        return {"items": page, "next": str(page[-1]["id"]) if len(rows) > limit else None}

    async def count(self, model: Model) -> int:
        """Count all rows of a model."""
        with database_problems(model):
            return await self._repository.count(model)


def no_such_row(model: Model, row_id: str) -> Problem:
    """404 for an id that no row has."""
    return Problem(404, "no-such-row", "There is no such row", f"There is no {model.path} with the id {row_id}.")


def _present(model: Model, row_id: str, row: Row | None) -> Row:
    if row is None:
        raise no_such_row(model, row_id)
    return row
