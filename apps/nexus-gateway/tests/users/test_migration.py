"""The schema 0003 keeps what the users of the schema before could do."""

import shutil
from pathlib import Path

import asyncpg

from nexus_chassis.migrations import apply_migrations
from nexus_gateway.opening import MIGRATIONS

OLD_USERS = """
INSERT INTO users (username, password_hash, scopes) VALUES
    ('admin', 'hash', '{admin,data:read}'), ('alice', 'hash', '{data:write,data:read}'),
    ('bob', 'hash', '{data:read,data:write}'), ('carol', 'hash', '{classify}'), ('dave', 'hash', '{}')
"""
USERS = """
SELECT username, tenant, roles, ARRAY(SELECT unnest(scopes) FROM roles WHERE name = ANY (users.roles)) AS scopes
FROM users ORDER BY username
"""


async def test_scopes_become_roles(postgres_url: str, tmp_path: Path) -> None:
    for path in sorted(MIGRATIONS.glob("000[12]_*.sql")):
        shutil.copy(path, tmp_path)
    connection = await asyncpg.connect(postgres_url)
    await apply_migrations(connection, tmp_path)
    await connection.execute(OLD_USERS)
    shutil.copy(MIGRATIONS / "0003_tenants_users.sql", tmp_path)
    await apply_migrations(connection, tmp_path)
    users = {row["username"]: (row["tenant"], row["roles"], row["scopes"]) for row in await connection.fetch(USERS)}
    await connection.close()

    writers, classifiers = users["alice"][1], users["carol"][1]
    assert users == {
        "admin": ("default", ["admin"], []),
        "alice": ("default", writers, ["data:read", "data:write"]),
        "bob": ("default", writers, ["data:read", "data:write"]),
        "carol": ("default", classifiers, ["classify"]),
        "dave": ("default", [], []),
    }
    assert len(writers) == 1
    assert writers[0].startswith("former-")
