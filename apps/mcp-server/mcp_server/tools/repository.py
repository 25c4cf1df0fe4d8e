"""Registered tools in PostgreSQL. Row-level security shows each transaction the rows of its tenant alone."""

import asyncpg

from mcp_server.tools.definitions import ToolDefinition
from mcp_server.tools.models import StoredTool, VersionOfTool


async def generation(connection: asyncpg.Connection) -> int:
    """Return how often the tools of the tenant have changed."""
    return await connection.fetchval("SELECT generation FROM tool_generations") or 0


async def begin_change(connection: asyncpg.Connection, tenant: str) -> int:
    """Begin a change, and return its generation: changes of one tenant wait for each other here."""
    return int(await connection.fetchval(_BEGIN_CHANGE, tenant))


_BEGIN_CHANGE = """
INSERT INTO tool_generations AS known (tenant, generation) VALUES ($1, 1)
ON CONFLICT (tenant) DO UPDATE SET generation = known.generation + 1 RETURNING generation
"""


async def read_active(connection: asyncpg.Connection, known: dict[str, int]) -> tuple[dict[str, int], list[StoredTool]]:
    """Return the version in use of each tool, by name, and the definitions of those that differ from `known`."""
    active = {row["name"]: row["version"] for row in await connection.fetch(_ACTIVE)}
    wanted = [name for name, version in active.items() if known.get(name) != version]
    return active, [_stored(row) for row in await connection.fetch(_DEFINITIONS, wanted)] if wanted else []


_ACTIVE = "SELECT name, version FROM tools ORDER BY name"
_DEFINITIONS = """
SELECT version, definition::text, digest FROM tools JOIN tool_versions USING (tenant, name, version) WHERE name = ANY($1)
"""


async def count(connection: asyncpg.Connection) -> int:
    """Return how many tools the tenant has."""
    return int(await connection.fetchval("SELECT count(*) FROM tools"))


async def find_active(connection: asyncpg.Connection, name: str) -> StoredTool | None:
    """Return the version of a tool that is in use."""
    row = await connection.fetchrow(_DEFINITIONS, [name])
    return None if row is None else _stored(row)


async def find_version(connection: asyncpg.Connection, name: str, version: int) -> StoredTool | None:
    """Return a version of a tool."""
    row = await connection.fetchrow(_VERSION, name, version)
    return None if row is None else _stored(row)


_VERSION = "SELECT version, definition::text, digest FROM tool_versions WHERE name = $1 AND version = $2"


async def names_of_source(connection: asyncpg.Connection, source: str) -> set[str]:
    """Return the names of the tools in use that came from an import."""
    return {row["name"] for row in await connection.fetch(_OF_SOURCE, source)}


_OF_SOURCE = """
SELECT name FROM tools JOIN tool_versions USING (tenant, name, version) WHERE definition ->> 'source' = $1
"""


async def list_versions(connection: asyncpg.Connection, name: str) -> list[VersionOfTool]:
    """Return the versions of a tool, the newest first."""
    return [VersionOfTool(**row) for row in await connection.fetch(_VERSIONS, name)]


_VERSIONS = """
SELECT made.version, digest, author, created_at, made.version = tools.version AS is_active
  FROM tool_versions AS made JOIN tools USING (tenant, name) WHERE name = $1 ORDER BY made.version DESC
"""


async def add_version(
    connection: asyncpg.Connection, tenant: str, definition: ToolDefinition, digest: str, *, author: str, kept: int
) -> int:
    """Add a version of a tool, put it in use, and return its number. The newest `kept` versions stay."""
    name = definition.name
    version = int(await connection.fetchval(_NEXT, name))
    await connection.execute(_PUT_IN_USE, tenant, name, version)
    text = definition.model_dump_json(by_alias=True, exclude_unset=True)
    await connection.execute(_ADD, tenant, name, version, text, digest, author)
    await connection.execute(_DELETE_OLD, name, version - kept)
    return version


_NEXT = "SELECT coalesce(max(version), 0) + 1 FROM tool_versions WHERE name = $1"
_PUT_IN_USE = """
INSERT INTO tools (tenant, name, version) VALUES ($1, $2, $3) ON CONFLICT (tenant, name) DO UPDATE SET version = $3
"""
_ADD = """
INSERT INTO tool_versions (tenant, name, version, definition, digest, author) VALUES ($1, $2, $3, $4::text::json, $5, $6)
"""
_DELETE_OLD = "DELETE FROM tool_versions WHERE name = $1 AND version <= $2"


async def put_in_use(connection: asyncpg.Connection, tenant: str, name: str, version: int) -> None:
    """Put a version of a tool in use."""
    await connection.execute(_PUT_IN_USE, tenant, name, version)


async def delete(connection: asyncpg.Connection, name: str) -> bool:
    """Delete a tool with its versions; returns whether there was one."""
    return await connection.fetchval("DELETE FROM tools WHERE name = $1 RETURNING true", name) is not None


def _stored(row: asyncpg.Record) -> StoredTool:
    return StoredTool(row["version"], ToolDefinition.model_validate_json(row["definition"]), row["digest"])
