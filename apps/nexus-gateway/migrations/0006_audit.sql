-- Who did what. Rows are only ever added; each has the hash of the row before it in its own hash.
CREATE TABLE audit_events (
    seq bigint PRIMARY KEY CHECK (seq > 0),
    at timestamptz NOT NULL,
    action text NOT NULL,
    outcome text NOT NULL CHECK (outcome IN ('success', 'refused', 'failed')),
    tenant text,
    subject text,
    actors text[] NOT NULL,
    client_id text,
    session text,
    target text,
    address text,
    detail jsonb NOT NULL,
    hash bytea NOT NULL UNIQUE CHECK (length(hash) = 32)
);
CREATE INDEX audit_events_by_tenant ON audit_events (tenant, seq);
CREATE INDEX audit_events_by_subject ON audit_events (subject, seq);
CREATE INDEX audit_events_by_action ON audit_events (action, seq);

CREATE FUNCTION refuse_change_of_audit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'audit_events is append-only: % is refused', TG_OP USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER audit_events_are_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_events
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_audit();
-- Also for a session that replicates, in which other triggers do not fire.
ALTER TABLE audit_events ENABLE ALWAYS TRIGGER audit_events_are_append_only;
