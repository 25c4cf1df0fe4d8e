"""Generations of labels, in PostgreSQL."""

import asyncpg


async def read_generation(connection: asyncpg.Connection, taxonomy: str, version: str) -> int:
    """The generation of a taxonomy's labels; 0 where nothing was corrected yet."""
    found = await connection.fetchval(_READ, taxonomy, version)
    return 0 if found is None else int(found)


_READ = "SELECT generation FROM label_generations WHERE taxonomy = $1 AND version = $2"


async def start_generation(connection: asyncpg.Connection, taxonomy: str, version: str) -> int:
    """Have no answers found any more that were made before this transaction; call it in that of each correction.

    Returns the new generation. Corrections of a version wait for each other from here on until their transactions end.
    """
    return int(await connection.fetchval(_START, taxonomy, version))


_START = """
INSERT INTO label_generations (taxonomy, version, generation) VALUES ($1, $2, 1)
ON CONFLICT (taxonomy, version) DO UPDATE SET generation = label_generations.generation + 1 RETURNING generation
"""
