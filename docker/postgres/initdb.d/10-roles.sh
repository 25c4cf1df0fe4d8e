#!/bin/sh
# Creates roles and schemas from the secrets /run/secrets/<service>_db_password and <service>_owner_db_password.
#
# <service>_owner owns the schema <service> and migrates it; <service> may only read and write rows there, so it cannot
# bypass row-level security. Without an owner's secret, <service> owns the schema. No role can access another schema.
#
# The script runs at every start and is repeatable: passwords follow the secrets, and a schema that still belongs to its
# runtime role is handed over to its owner.
set -eu
. /docker-entrypoint-initdb.d/read-secret

sql() {
    psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --single-transaction --file=- \
        --username="$POSTGRES_USER" --dbname="$POSTGRES_DB" --set=database="$POSTGRES_DB" "$@"
}

# role_of FILE: set `role` to the role whose password FILE holds.
role_of() {
    role=${1##*/}
    role=${role%_db_password}
}

# make_role ROLE FILE: create the role, without privileges, and set its password.
make_role() {
    read_secret "the password of role $1" "$2"
    PASSWORD=$secret sql --set=role="$1" <<'SQL'
\getenv password PASSWORD
SELECT format('CREATE ROLE %I', :'role')
 WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'role') \gexec
ALTER ROLE :"role" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS PASSWORD :'password';
GRANT CONNECT ON DATABASE :"database" TO :"role";
SQL
}

# make_schema SERVICE OWNER
make_schema() {
    sql --set=service="$1" --set=owner="$2" <<'SQL'
SET client_min_messages = warning;
CREATE SCHEMA IF NOT EXISTS :"service" AUTHORIZATION :"owner";
ALTER ROLE :"service" SET search_path = :"service";
ALTER ROLE :"owner" SET search_path = :"service";
SQL
}

# hand_over SERVICE OWNER: the runtime role keeps its rights on rows, and gets them on tables that the owner will create.
# Rights on existing tables are granted only with the change of owner, so that a migration may revoke some of them.
hand_over() {
    sql --set=service="$1" --set=owner="$2" <<'SQL'
SELECT EXISTS (
    SELECT FROM pg_shdepend
     WHERE refclassid = 'pg_authid'::regclass AND deptype = 'o'
       AND refobjid = (SELECT oid FROM pg_roles WHERE rolname = :'service')
       AND dbid IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
) AS runtime_role_owns \gset
\if :runtime_role_owns
REASSIGN OWNED BY :"service" TO :"owner";
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA :"service" TO :"service";
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA :"service" TO :"service";
\endif
GRANT USAGE ON SCHEMA :"service" TO :"service";
ALTER DEFAULT PRIVILEGES FOR ROLE :"owner" IN SCHEMA :"service"
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO :"service";
ALTER DEFAULT PRIVILEGES FOR ROLE :"owner" IN SCHEMA :"service"
    GRANT USAGE, SELECT ON SEQUENCES TO :"service";
SQL
}

# Every secret is read before anything is changed: a password is never replaced by nothing.
for file in /run/secrets/*_db_password; do
    [ -e "$file" ] || continue # the pattern itself: no role's secret is mounted
    role_of "$file"
    read_secret "the password of role $role" "$file"
done

sql <<'SQL'
REVOKE ALL ON DATABASE :"database" FROM PUBLIC;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
SQL

for file in /run/secrets/*_db_password; do
    [ -e "$file" ] || continue
    role_of "$file"
    case $role in *_owner) continue ;; esac
    service=$role owner=$role
    make_role "$service" "$file"
    if [ -e "/run/secrets/${service}_owner_db_password" ]; then
        owner=${service}_owner
        make_role "$owner" "/run/secrets/${service}_owner_db_password"
    fi
    make_schema "$service" "$owner"
    [ "$owner" = "$service" ] || hand_over "$service" "$owner"
done

# The superuser's password too: the secret may be newer than the volume.
read_secret "the superuser's password" "$POSTGRES_PASSWORD_FILE"
PASSWORD=$secret sql <<'SQL'
\getenv password PASSWORD
ALTER ROLE CURRENT_USER PASSWORD :'password';
SQL
