-- The parts of imports that are in, each recorded in the transaction of its rows.
CREATE TABLE import_parts (
    tenant text NOT NULL,
    subject text NOT NULL,
    model text NOT NULL,
    import_id text NOT NULL,
    part integer NOT NULL CHECK (part > 0),
    at timestamptz NOT NULL DEFAULT now(),
    sent_as text NOT NULL,
    size bigint NOT NULL,
    sha256 bytea NOT NULL,
    counts jsonb NOT NULL,
    PRIMARY KEY (tenant, subject, model, import_id, part)
);
CREATE INDEX import_parts_at_idx ON import_parts (at);
