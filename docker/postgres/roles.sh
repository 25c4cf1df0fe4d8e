#!/bin/sh
# One role and one schema a service; a role can touch nothing else. Repeatable: passwords follow the secrets, which are
# files /run/secrets/<role>_db_password.
set -eu

for file in /run/secrets/*_db_password; do
    [ -e "$file" ] || continue # no secret is mounted: no role is asked for
    role=$(basename "$file" _db_password)
    if [ ! -s "$file" ]; then
        printf 'postgres: the password of role %s is needed\n  found: %s is missing or empty\n  to do: run `make up`, which makes missing secrets\n' \
            "$role" "$file" >&2
        exit 78
    fi
    psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --username="$POSTGRES_USER" --dbname="$POSTGRES_DB" \
        --set=role="$role" --set=password="$(cat "$file")" --set=database="$POSTGRES_DB" <<'SQL'
SET client_min_messages = warning;
SELECT format('CREATE ROLE %I LOGIN', :'role')
 WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'role') \gexec
ALTER ROLE :"role" PASSWORD :'password';
CREATE SCHEMA IF NOT EXISTS :"role" AUTHORIZATION :"role";
ALTER ROLE :"role" SET search_path = :"role";
REVOKE ALL ON DATABASE :"database" FROM PUBLIC;
GRANT CONNECT ON DATABASE :"database" TO :"role";
REVOKE ALL ON SCHEMA public FROM PUBLIC;
SQL
done
# The superuser's own password too: the file may be newer than the volume.
psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --username="$POSTGRES_USER" --dbname="$POSTGRES_DB" \
    --set=password="$(cat "$POSTGRES_PASSWORD_FILE")" <<'SQL'
ALTER ROLE CURRENT_USER PASSWORD :'password';
SQL
