-- Runs of workflows. `token` is the caller's, sealed, until the run ends; `expected` the output schema of the tool that started it.
CREATE TABLE workflow_runs (
    tenant text NOT NULL,
    run_id text NOT NULL,
    name text NOT NULL,
    version integer NOT NULL,
    alias text,
    subject text NOT NULL,
    client_id text NOT NULL,
    arguments json NOT NULL,
    expected json,
    token bytea,
    state text NOT NULL DEFAULT 'queued' CHECK (state IN ('queued', 'running', 'finished', 'failed', 'cancelled')),
    reason text,
    detail text,
    result json,
    attempts integer NOT NULL DEFAULT 0,
    has_changed boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    started_at timestamptz,
    ended_at timestamptz,
    PRIMARY KEY (tenant, run_id),
    FOREIGN KEY (tenant, name, version) REFERENCES workflow_versions
);
CREATE INDEX workflow_runs_of_workflow ON workflow_runs (tenant, name, created_at DESC, run_id DESC);
CREATE INDEX workflow_runs_open ON workflow_runs (tenant, subject) WHERE state IN ('queued', 'running');
CREATE INDEX workflow_runs_ended ON workflow_runs (tenant, ended_at) WHERE ended_at IS NOT NULL;

CREATE TABLE workflow_run_logs (
    tenant text NOT NULL,
    run_id text NOT NULL,
    number integer NOT NULL,
    at timestamptz NOT NULL,
    level text NOT NULL,
    logger text NOT NULL,
    message text NOT NULL,
    PRIMARY KEY (tenant, run_id, number),
    FOREIGN KEY (tenant, run_id) REFERENCES workflow_runs ON DELETE CASCADE
);

-- The runs that are open, of all tenants: who holds which, and until when. It has no row security and nothing of a tenant but
-- its name, so that every process can take any run.
CREATE TABLE workflow_queue (
    run_id text PRIMARY KEY,
    tenant text NOT NULL,
    queued_at timestamptz NOT NULL DEFAULT now(),
    available_at timestamptz NOT NULL DEFAULT now(),
    holder text,
    FOREIGN KEY (tenant, run_id) REFERENCES workflow_runs ON DELETE CASCADE
);
CREATE INDEX workflow_queue_order ON workflow_queue (available_at, queued_at);

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['workflow_runs', 'workflow_run_logs'] LOOP
        EXECUTE format('CREATE POLICY tenant ON %I USING (tenant = (SELECT nullif(current_setting(''app.tenant'', true), '''')))', name);
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', name);
    END LOOP;
END
$$;
