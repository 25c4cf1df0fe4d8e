"""Workflows in PostgreSQL. Row-level security shows each transaction the rows of its tenant alone."""

import json
from typing import NamedTuple

import asyncpg

from mcp_server.workflows.models import STATES, AboutVersion, AboutWorkflow, Content, Move, State, Version


class OfTenant(NamedTuple):
    """The workflow of a tenant that `author` changes."""

    tenant: str
    name: str
    author: str


async def lock(connection: asyncpg.Connection, name: str) -> int | None:
    """Make other changes of a workflow wait; returns the number of its newest version, None where there is no such one."""
    found: int | None = await connection.fetchval("SELECT latest FROM workflows WHERE name = $1 FOR UPDATE", name)
    return found


async def count(connection: asyncpg.Connection) -> int:
    """Return how many workflows the tenant has."""
    return int(await connection.fetchval("SELECT count(*) FROM workflows"))


async def add_version(
    connection: asyncpg.Connection, of: OfTenant, content: str, content_hash: str, parent: int | None
) -> int:
    """Add a version with its content as JSON; returns its number."""
    version = int(await connection.fetchval(_NEXT, of.tenant, of.name))
    await connection.execute(_ADD, of.tenant, of.name, version, parent, content, content_hash, of.author)
    return version


_NEXT = """
INSERT INTO workflows AS known (tenant, name, latest) VALUES ($1, $2, 1)
ON CONFLICT (tenant, name) DO UPDATE SET latest = known.latest + 1 RETURNING latest
"""
_ADD = """
INSERT INTO workflow_versions (tenant, name, version, parent, content, content_hash, author)
VALUES ($1, $2, $3, $4, $5::text::json, $6, $7)
"""
_ABOUT = """
SELECT name, version, parent, content_hash, author, created_at,
       ARRAY(SELECT state FROM workflow_steps AS step WHERE step.name = made.name AND step.version = made.version) AS states
"""
_VERSION = f"{_ABOUT}, content::text FROM workflow_versions AS made WHERE name = $1 AND version = $2"
_VERSIONS = f"{_ABOUT} FROM workflow_versions AS made WHERE name = $1 ORDER BY version DESC"


async def find_version(connection: asyncpg.Connection, name: str, version: int) -> Version | None:
    """Return a version of a workflow."""
    row = await connection.fetchrow(_VERSION, name, version)
    return None if row is None else Version(name=name, about=_about(row), content=_content(row))


async def list_versions(connection: asyncpg.Connection, name: str) -> list[AboutVersion]:
    """Return the versions of a workflow, the newest first."""
    return [_about(row) for row in await connection.fetch(_VERSIONS, name)]


async def add_step(connection: asyncpg.Connection, of: OfTenant, version: int, state: State) -> None:
    """Record how far a version has come."""
    await connection.execute(_STEP, of.tenant, of.name, version, state, of.author)


_STEP = """
INSERT INTO workflow_steps (tenant, name, version, state, author) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING
"""


async def find_alias(connection: asyncpg.Connection, name: str, alias: str) -> int | None:
    """Return the version that an alias names."""
    found: int | None = await connection.fetchval(_ALIAS, name, alias)
    return found


_ALIAS = "SELECT version FROM workflow_alias_moves WHERE name = $1 AND alias = $2 ORDER BY number DESC LIMIT 1"


async def list_moves(connection: asyncpg.Connection, name: str, alias: str, limit: int) -> list[Move]:
    """Return the newest moves of an alias, the newest first."""
    return [Move(**row) for row in await connection.fetch(_MOVES, name, alias, limit)]


_MOVES = """
SELECT version, author, at FROM workflow_alias_moves WHERE name = $1 AND alias = $2 ORDER BY number DESC LIMIT $3
"""


async def count_aliases(connection: asyncpg.Connection, name: str) -> int:
    """Return how many aliases a workflow has or had."""
    return int(await connection.fetchval(_COUNT_ALIASES, name))


_COUNT_ALIASES = "SELECT count(DISTINCT alias) FROM workflow_alias_moves WHERE name = $1"


async def move_alias(connection: asyncpg.Connection, of: OfTenant, alias: str, version: int | None) -> None:
    """Let an alias name a version, or none; `lock` the workflow first."""
    await connection.execute(_MOVE, of.tenant, of.name, alias, version, of.author)


_MOVE = """
INSERT INTO workflow_alias_moves (tenant, name, alias, number, version, author)
SELECT $1, $2, $3, coalesce(max(number), 0) + 1, $4, $5 FROM workflow_alias_moves WHERE name = $2 AND alias = $3
"""


async def list_workflows(connection: asyncpg.Connection, after: str, limit: int) -> list[AboutWorkflow]:
    """Return up to `limit` workflows whose names come after a name, in order."""
    return [_workflow(row) for row in await connection.fetch(f"{_WORKFLOWS} WHERE name > $1 {_IN_ORDER}", after, limit)]


async def find_workflow(connection: asyncpg.Connection, name: str) -> AboutWorkflow | None:
    """Return a workflow."""
    row = await connection.fetchrow(f"{_WORKFLOWS} WHERE name = $1", name)
    return None if row is None else _workflow(row)


_IN_ORDER = "ORDER BY name LIMIT $2"
_WORKFLOWS = """
SELECT name, latest, coalesce((
    SELECT json_object_agg(alias, version ORDER BY alias) FROM (
        SELECT DISTINCT ON (alias) alias, version FROM workflow_alias_moves AS move
         WHERE move.name = workflows.name ORDER BY alias, number DESC
    ) AS newest WHERE version IS NOT NULL
), '{}')::text AS aliases FROM workflows
"""


def _workflow(row: asyncpg.Record) -> AboutWorkflow:
    return AboutWorkflow(row["name"], row["latest"], json.loads(row["aliases"]))


def _about(row: asyncpg.Record) -> AboutVersion:
    return AboutVersion(
        version=row["version"],
        parent=row["parent"],
        content_hash=row["content_hash"],
        author=row["author"],
        created_at=row["created_at"],
        state=max(("draft", *row["states"]), key=STATES.index),
    )


def _content(row: asyncpg.Record) -> Content:
    return Content.model_validate_json(row["content"])
