CREATE TABLE tenants (
    id text PRIMARY KEY CHECK (id ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
    name text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 200),
    created_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO tenants (id, name) VALUES ('default', 'Default');

CREATE TABLE roles (
    name text PRIMARY KEY CHECK (name ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
    scopes text[] NOT NULL
);
-- `admin` has every scope that the gateway knows, so none is stored.
INSERT INTO roles (name, scopes) VALUES
    ('admin', '{}'),
    ('editor', '{classify,data:read,data:write,tools:call}'),
    ('operator', '{classify,data:admin,data:read,data:write,tools:call,workflows:deploy}'),
    ('viewer', '{data:read}');

ALTER TABLE users
    ADD COLUMN tenant text NOT NULL DEFAULT 'default' REFERENCES tenants,
    ADD COLUMN roles text[] NOT NULL DEFAULT '{}',
    ADD COLUMN email text CHECK (char_length(email) <= 254),
    ADD COLUMN disabled boolean NOT NULL DEFAULT false,
    ADD COLUMN version integer NOT NULL DEFAULT 1, -- rises with each change
    ADD COLUMN updated_at timestamptz NOT NULL DEFAULT now(),
    ALTER COLUMN password_hash DROP NOT NULL; -- a user without a password signs in elsewhere, or not yet

-- Other scopes than those of an administrator are kept as a role of their own for each set of them.
UPDATE users SET scopes = ARRAY(SELECT DISTINCT unnest(scopes) ORDER BY 1);
UPDATE users SET roles = '{admin}' WHERE 'admin' = ANY (scopes);
INSERT INTO roles (name, scopes)
    SELECT DISTINCT 'former-' || substr(md5(array_to_string(scopes, ' ')), 1, 12), scopes
    FROM users WHERE roles = '{}' AND scopes <> '{}';
UPDATE users SET roles = ARRAY['former-' || substr(md5(array_to_string(scopes, ' ')), 1, 12)]
    WHERE roles = '{}' AND scopes <> '{}';

ALTER TABLE users DROP COLUMN scopes, DROP COLUMN bootstrap_scopes;
CREATE INDEX users_by_tenant ON users (tenant, username);
CREATE INDEX users_by_role ON users USING gin (roles);
