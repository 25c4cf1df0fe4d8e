"""Trained models in PostgreSQL."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import asyncpg

from classification_service.model_registry.models import Accuracy, Activation, File, Line, Origin, StoredModel

PART_BYTES = 1024 * 1024

_COLUMNS = "id, taxonomy, version, taxonomy_key, tenant, files, bytes, level, accuracy, labels, generation, seed, parent, created_by, created_at"
_LINE = "taxonomy = $1 AND version = $2 AND taxonomy_key = $3 AND tenant = $4"
# Those of an import that was deleted serve nobody.
_SERVES = """EXISTS (SELECT FROM serving_models s WHERE s.model_id = models.id
    AND (s.taxonomy_key = '' OR EXISTS (SELECT FROM taxonomies t WHERE t.key::text = s.taxonomy_key)))"""


def _line(row: asyncpg.Record) -> Line:
    return Line(row["taxonomy"], row["version"], row["taxonomy_key"], row["tenant"])


def _model(row: asyncpg.Record) -> StoredModel:
    return StoredModel(
        id=row["id"],
        line=_line(row),
        files=[File(**file) for file in json.loads(row["files"])],
        bytes=row["bytes"],
        origin=Origin(
            labels=row["labels"],
            generation=row["generation"],
            seed=row["seed"],
            parent=row["parent"],
            created_by=row["created_by"],
        ),
        created_at=row["created_at"],
        accuracy=None if row["level"] is None else Accuracy(row["level"], row["accuracy"]),
        serving=row["serving"],
    )


_SELECT = f"SELECT {_COLUMNS}, {_SERVES} AS serving FROM models"  # noqa: S608  text of this file


async def add(
    connection: asyncpg.Connection,
    model: str,
    line: Line,
    *,
    files: Sequence[File],
    report: str,
    accuracy: Accuracy | None,
    origin: Origin,
) -> bool:
    """Write a model without its parts; returns False where it is there already."""
    measured = (None, None) if accuracy is None else (accuracy.level, accuracy.share)
    content = json.dumps([asdict(file) for file in files])
    size = sum(file.size for file in files)
    arguments = (model, *line, content, size, report, *measured, *asdict(origin).values())
    return await connection.fetchval(_ADD, *arguments) is not None


_ADD = """
INSERT INTO models (id, taxonomy, version, taxonomy_key, tenant, files, bytes, report, level, accuracy,
                    labels, generation, seed, parent, created_by)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) ON CONFLICT DO NOTHING RETURNING id
"""


async def add_file(connection: asyncpg.Connection, model: str, number: int, content: bytes) -> None:
    """Write the content of a file."""
    for part, start in enumerate(range(0, len(content), PART_BYTES)):
        await connection.execute(_ADD_PART, model, number, part, content[start : start + PART_BYTES])


_ADD_PART = "INSERT INTO model_parts (model_id, file, number, content) VALUES ($1, $2, $3, $4)"


async def read_part(connection: asyncpg.Connection, model: str, file: int, number: int) -> bytes:
    """A part of a file, empty where there is none."""
    content = await connection.fetchval(_READ_PART, model, file, number)
    return bytes(content or b"")


_READ_PART = "SELECT content FROM model_parts WHERE model_id = $1 AND file = $2 AND number = $3"


async def page(connection: asyncpg.Connection, tenant: str) -> list[StoredModel]:
    """The models of a tenant, the latest first."""
    return [_model(row) for row in await connection.fetch(_PAGE, tenant)]


_PAGE = f"{_SELECT} WHERE tenant = $1 ORDER BY created_at DESC, id"


async def find(connection: asyncpg.Connection, tenant: str, model: str) -> StoredModel | None:
    """A model of a tenant."""
    row = await connection.fetchrow(f"{_SELECT} WHERE tenant = $1 AND id = $2", tenant, model)
    return None if row is None else _model(row)


async def report(connection: asyncpg.Connection, model: str) -> dict[str, Any]:
    """What the trainer has measured of a model, empty where there is no such model."""
    found: dict[str, Any] = json.loads(
        await connection.fetchval("SELECT report FROM models WHERE id = $1", model) or "{}"
    )
    return found


async def serving(connection: asyncpg.Connection) -> Mapping[Line, StoredModel]:
    """The models that serve, of all tenants."""
    rows = await connection.fetch(f"{_SELECT} WHERE {_SERVES}")
    return {model.line: model for model in map(_model, rows)}


async def has_import(connection: asyncpg.Connection, taxonomy_key: str) -> bool:
    """Whether an import of a taxonomy is there."""
    return bool(await connection.fetchval("SELECT EXISTS (SELECT FROM taxonomies WHERE key::text = $1)", taxonomy_key))


async def lock_line(connection: asyncpg.Connection, line: Line) -> str | None:
    """Let nobody else move the alias of a line until the transaction ends; returns the model that serves."""
    await connection.execute(_ADD_LINE, *line)
    served: str | None = await connection.fetchval(_LOCK_LINE, *line)
    return served


_LOCK_LINE = f"SELECT model_id FROM serving_models WHERE {_LINE} FOR UPDATE"  # noqa: S608  text of this file
_ADD_LINE = """
INSERT INTO serving_models (taxonomy, version, taxonomy_key, tenant) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING
"""


async def lock_room(connection: asyncpg.Connection) -> None:
    """Let no other model begin to serve until the transaction ends."""
    await connection.execute("SELECT pg_advisory_xact_lock(hashtext('serve ' || current_schema()))")


async def other_bytes(connection: asyncpg.Connection, line: Line) -> int:
    """The bytes of the models that serve, apart from that of a line."""
    return int(await connection.fetchval(_OTHER_BYTES, *line))


_OTHER_BYTES = f"SELECT coalesce(sum(bytes), 0) FROM models WHERE {_SERVES} AND NOT ({_LINE})"  # noqa: S608  text of this file


async def activate(
    connection: asyncpg.Connection, line: Line, model: str | None, activated_by: str, *, forced: bool
) -> None:
    """Move the alias of a line to a model."""
    await connection.execute(f"UPDATE serving_models SET model_id = $5 WHERE {_LINE}", *line, model)  # noqa: S608  text of this file
    await connection.execute(_RECORD, *line, model, forced, activated_by)


_RECORD = """
INSERT INTO model_activations (taxonomy, version, taxonomy_key, tenant, model_id, forced, activated_by)
VALUES ($1, $2, $3, $4, $5, $6, $7)
"""


async def activations(connection: asyncpg.Connection, tenant: str, limit: int) -> list[Activation]:
    """Who moved the aliases of a tenant, the latest first."""
    return [
        Activation(
            line=_line(row),
            model=row["model_id"],
            forced=row["forced"],
            activated_by=row["activated_by"],
            activated_at=row["activated_at"],
        )
        for row in await connection.fetch(_ACTIVATIONS, tenant, limit)
    ]


_ACTIVATIONS = "SELECT * FROM model_activations WHERE tenant = $1 ORDER BY id DESC LIMIT $2"


async def count(connection: asyncpg.Connection, line: Line) -> int:
    """How many models a line has."""
    return int(await connection.fetchval(f"SELECT count(*) FROM models WHERE {_LINE}", *line))  # noqa: S608  text of this file


async def delete(connection: asyncpg.Connection, model: str) -> bool:
    """Delete a model that does not serve; returns whether it is gone."""
    await connection.execute(_FREE, model)
    status: str = await connection.execute(f"DELETE FROM models WHERE id = $1 AND NOT {_SERVES}", model)  # noqa: S608  text of this file
    return not status.endswith(" 0")


_FREE = """
DELETE FROM serving_models s WHERE model_id = $1 AND taxonomy_key <> ''
   AND NOT EXISTS (SELECT FROM taxonomies t WHERE t.key::text = s.taxonomy_key)
"""
