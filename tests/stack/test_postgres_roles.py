"""An owner and a runtime role for each service: what the runtime role can do, and how an older volume is converted."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from harness.database import SUPERUSER_PASSWORD, Database, Server, database

pytestmark = pytest.mark.usefixtures("stores")

RUNTIME = ("gateway", "of-the-runtime-role")
OWNER = ("gateway_owner", "of-the-owner")
OTHER = ("mcp", "of-another-service")
SUPERUSER = ("postgres", SUPERUSER_PASSWORD)
OBJECTS = """
CREATE TABLE kept (id bigserial PRIMARY KEY, identity bigint GENERATED ALWAYS AS IDENTITY, name text);
CREATE VIEW names AS SELECT name FROM kept;
CREATE TYPE mood AS ENUM ('good', 'bad');
CREATE FUNCTION twice(n int) RETURNS int LANGUAGE sql AS 'SELECT 2 * n';
"""
WRITE = (
    "INSERT INTO kept (name) VALUES ('first'); UPDATE kept SET name = 'precious'; SELECT id, identity, name FROM kept"
)
OWNERS = """
SELECT DISTINCT pg_get_userbyid(owner) FROM (
    SELECT relowner FROM pg_class WHERE relnamespace = 'gateway'::regnamespace
    UNION ALL SELECT typowner FROM pg_type WHERE typnamespace = 'gateway'::regnamespace
    UNION ALL SELECT proowner FROM pg_proc WHERE pronamespace = 'gateway'::regnamespace
    UNION ALL SELECT nspowner FROM pg_namespace WHERE nspname = 'gateway'
) AS objects (owner)
"""

ROLES = """
SELECT rolname, rolsuper, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls, rolcanlogin
  FROM pg_roles WHERE rolname !~ '^(pg_|postgres$)' ORDER BY rolname
"""
MEMBERSHIPS = "SELECT roleid::regrole, member::regrole FROM pg_auth_members WHERE roleid::regrole::text !~ '^pg_'"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with the roles of two services, and the first one's objects."""
    with database(tmp_path_factory.mktemp("database"), "roles") as made:
        add_owner(made)
        made.write("mcp_db_password", OTHER[1])
        with made.server() as server:
            server.rows(*OWNER, OBJECTS)
            yield server


def add_owner(made: Database) -> None:
    made.write("gateway_db_password", RUNTIME[1])
    made.write("gateway_owner_db_password", OWNER[1])


def test_runtime_role_reads_and_writes_rows(server: Server) -> None:
    assert server.rows(*RUNTIME, WRITE) == ["1|1|precious"]
    assert server.rows(*RUNTIME, "SELECT name FROM names") == ["precious"]
    assert server.rows(*RUNTIME, "SELECT twice(21), 'good'::mood") == ["42|good"]
    assert server.rows(*RUNTIME, "DELETE FROM kept RETURNING name") == ["precious"]


@pytest.mark.parametrize(
    ("sql", "refusal"),
    [
        ("CREATE TABLE another ()", "permission denied for schema gateway"),
        ("ALTER TABLE kept ADD COLUMN more text", "must be owner of table kept"),
        ("ALTER TABLE kept DISABLE ROW LEVEL SECURITY", "must be owner of table kept"),
        ("DROP TABLE kept", "must be owner of table kept"),
        ("TRUNCATE kept", "permission denied for table kept"),
        ("SET ROLE gateway_owner", 'permission denied to set role "gateway_owner"'),
        ("ALTER ROLE gateway BYPASSRLS", "permission denied to alter role"),
        ("CREATE SCHEMA another", "permission denied for database nexus"),
        ("CREATE TABLE public.another ()", "permission denied for schema public"),
    ],
)
def test_runtime_role_cannot_change_the_schema(server: Server, sql: str, refusal: str) -> None:
    assert server.refusal(*RUNTIME, sql) == f"ERROR:  {refusal}"


def test_runtime_role_cannot_bypass_row_level_security(server: Server) -> None:
    server.rows(
        *OWNER,
        "CREATE TABLE guarded (tenant text); INSERT INTO guarded VALUES ('a'), ('b');"
        "ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;"
        "CREATE POLICY own ON guarded USING (tenant = current_setting('app.tenant', true))",
    )
    assert server.rows(*RUNTIME, "SELECT tenant FROM guarded") == []
    assert server.rows(*RUNTIME, "SET app.tenant = 'b'; SELECT tenant FROM guarded") == ["b"]
    assert server.refusal(*RUNTIME, "SET row_security = off; SELECT * FROM guarded") == (
        'ERROR:  query would be affected by row-level security policy for table "guarded"'
    )


def test_no_role_is_more_than_a_login(server: Server) -> None:
    assert server.rows(*SUPERUSER, ROLES) == [f"{role}|f|f|f|f|f|t" for role in ("gateway", "gateway_owner", "mcp")]
    assert server.rows(*SUPERUSER, MEMBERSHIPS) == []


def test_service_without_owner_owns_its_schema(server: Server) -> None:
    assert server.rows(*OTHER, "CREATE TABLE own (name text); INSERT INTO own VALUES ('x'); TABLE own") == ["x"]


@pytest.mark.parametrize("role", [RUNTIME, OWNER], ids=["runtime", "owner"])
def test_no_role_reaches_the_schema_of_another_service(server: Server, role: tuple[str, str]) -> None:
    assert server.refusal(*role, "SELECT * FROM mcp.own") == "ERROR:  permission denied for schema mcp"
    assert server.refusal(*OTHER, "SELECT * FROM gateway.kept") == "ERROR:  permission denied for schema gateway"


def test_older_volume_is_handed_over_to_the_owner_and_nothing_is_lost(tmp_path: Path) -> None:
    with database(tmp_path, "older") as older:
        older.write("gateway_db_password", RUNTIME[1])
        with older.server() as server:
            server.rows(*RUNTIME, OBJECTS)
            assert server.rows(*RUNTIME, WRITE) == ["1|1|precious"]
            assert server.rows(*SUPERUSER, OWNERS) == ["gateway"]
        add_owner(older)
        with older.server() as server:
            assert server.rows(*SUPERUSER, OWNERS) == ["gateway_owner"]
            assert server.rows(*RUNTIME, WRITE) == ["1|1|precious", "2|2|precious"]
            assert server.refusal(*RUNTIME, "TRUNCATE kept") == "ERROR:  permission denied for table kept"
            server.rows(*OWNER, "ALTER TABLE kept ADD COLUMN more text; CREATE TABLE later (id bigserial)")
            assert server.rows(*RUNTIME, "INSERT INTO later DEFAULT VALUES RETURNING id") == ["1"]
            assert server.rows(*RUNTIME, "SELECT name FROM names") == ["precious", "precious"]


def test_start_keeps_what_a_migration_revoked_and_takes_back_what_a_role_should_not_have(tmp_path: Path) -> None:
    with database(tmp_path, "again") as made:
        add_owner(made)
        with made.server() as server:
            server.rows(*OWNER, "CREATE TABLE audit (what text); REVOKE UPDATE, DELETE ON audit FROM gateway")
            server.rows(*SUPERUSER, "ALTER ROLE gateway SUPERUSER BYPASSRLS CREATEDB CREATEROLE REPLICATION")
        with made.server() as server:
            server.rows(*RUNTIME, "INSERT INTO audit VALUES ('kept')")
            assert server.refusal(*RUNTIME, "DELETE FROM audit") == "ERROR:  permission denied for table audit"
            assert server.rows(*SUPERUSER, ROLES) == [f"{role}|f|f|f|f|f|t" for role in ("gateway", "gateway_owner")]
