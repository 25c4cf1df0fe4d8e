-- Workflows of each tenant. A version never changes: how far it has come is in steps, what is deployed in the moves of aliases.
CREATE TABLE workflows (
    tenant text NOT NULL,
    name text NOT NULL,
    latest integer NOT NULL CHECK (latest > 0),
    PRIMARY KEY (tenant, name)
);

CREATE TABLE workflow_versions (
    tenant text NOT NULL,
    name text NOT NULL,
    version integer NOT NULL CHECK (version > 0),
    parent integer,
    content json NOT NULL,
    content_hash text NOT NULL,
    author text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant, name, version),
    FOREIGN KEY (tenant, name) REFERENCES workflows,
    FOREIGN KEY (tenant, name, parent) REFERENCES workflow_versions
);
CREATE TRIGGER immutable BEFORE UPDATE OR DELETE ON workflow_versions FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TABLE workflow_steps (
    tenant text NOT NULL,
    name text NOT NULL,
    version integer NOT NULL,
    state text NOT NULL CHECK (state IN ('validated', 'tested', 'published')),
    author text NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant, name, version, state),
    FOREIGN KEY (tenant, name, version) REFERENCES workflow_versions
);

-- The newest move of an alias says which version it names; null means that it was deleted.
CREATE TABLE workflow_alias_moves (
    tenant text NOT NULL,
    name text NOT NULL,
    alias text NOT NULL,
    number integer NOT NULL,
    version integer,
    author text NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant, name, alias, number),
    FOREIGN KEY (tenant, name) REFERENCES workflows,
    FOREIGN KEY (tenant, name, version) REFERENCES workflow_versions
);

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['workflows', 'workflow_versions', 'workflow_steps', 'workflow_alias_moves'] LOOP
        EXECUTE format('CREATE POLICY tenant ON %I USING (tenant = (SELECT nullif(current_setting(''app.tenant'', true), '''')))', name);
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', name);
    END LOOP;
END
$$;
