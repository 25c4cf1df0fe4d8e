-- OAuth clients. A public one has no secret. Without a tenant, users of every tenant may use it. Those that registered
-- themselves (RFC 7591) expire.
CREATE TABLE clients (
    id text PRIMARY KEY CHECK (id ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$'),
    name text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 100),
    kind text NOT NULL CHECK (kind IN ('public', 'confidential')),
    secret_hash text CHECK ((secret_hash IS NULL) = (kind = 'public')),
    redirect_uris text[] NOT NULL,
    grant_types text[] NOT NULL,
    scopes text[] NOT NULL,
    audiences text[] NOT NULL,
    tenant text REFERENCES tenants,
    trusted boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz
);
CREATE INDEX clients_by_expiry ON clients (expires_at) WHERE expires_at IS NOT NULL;

-- What users granted. The client may be one of the settings or of a document elsewhere, which no row stands for.
CREATE TABLE consents (
    user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    client_id text NOT NULL CHECK (char_length(client_id) <= 500),
    audience text NOT NULL,
    scopes text[] NOT NULL,
    granted_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, client_id, audience)
);
CREATE INDEX consents_by_client ON consents (client_id);
