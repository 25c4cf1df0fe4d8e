-- The registered tools of each tenant: which version of each is in use, and the versions, which never change.
CREATE TABLE tools (
    tenant text NOT NULL,
    name text NOT NULL,
    version integer NOT NULL,
    PRIMARY KEY (tenant, name)
);

-- `definition` is json, not jsonb: the order of its members is what agents are shown.
CREATE TABLE tool_versions (
    tenant text NOT NULL,
    name text NOT NULL,
    version integer NOT NULL CHECK (version > 0),
    definition json NOT NULL,
    digest text NOT NULL,
    author text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant, name, version),
    FOREIGN KEY (tenant, name) REFERENCES tools ON DELETE CASCADE
);
ALTER TABLE tools ADD FOREIGN KEY (tenant, name, version) REFERENCES tool_versions DEFERRABLE INITIALLY DEFERRED;

-- Grows with each change of a tenant's tools, so that every process sees that what it has read is old.
CREATE TABLE tool_generations (
    tenant text PRIMARY KEY,
    generation bigint NOT NULL
);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'versions never change: register a new one';
END
$$;
CREATE TRIGGER immutable BEFORE UPDATE ON tool_versions FOR EACH ROW EXECUTE FUNCTION refuse_change();

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['tools', 'tool_versions', 'tool_generations'] LOOP
        EXECUTE format('CREATE POLICY tenant ON %I USING (tenant = (SELECT nullif(current_setting(''app.tenant'', true), '''')))', name);
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', name);
    END LOOP;
END
$$;
