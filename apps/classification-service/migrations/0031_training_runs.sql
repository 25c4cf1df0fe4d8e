-- Runs of training. `claim` names the trainer that has a running one, and a new number for each time that it was taken up; one
-- whose trainer has not set `beat_at` for a while is taken up by another. `faults` says what ended each attempt before.
CREATE TABLE training_runs (
    id uuid PRIMARY KEY,
    tenant text NOT NULL,
    taxonomy text NOT NULL,
    version text NOT NULL,
    taxonomy_key text NOT NULL,
    seed bigint NOT NULL,
    state text NOT NULL DEFAULT 'queued' CHECK (state IN ('queued', 'running', 'done', 'failed', 'cancelled')),
    share real NOT NULL DEFAULT 0,
    attempts integer NOT NULL DEFAULT 0,
    claim text,
    beat_at timestamptz,
    labels integer,
    generation bigint,
    model_id text COLLATE "C",
    error text,
    faults text[] NOT NULL DEFAULT '{}',
    requested_by text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    started_at timestamptz,
    ended_at timestamptz
);
CREATE INDEX training_runs_open_idx ON training_runs (created_at) WHERE state IN ('queued', 'running');
CREATE INDEX training_runs_tenant_idx ON training_runs (tenant, created_at DESC, id);

-- When each trainer has shown itself last.
CREATE TABLE trainers (
    name text PRIMARY KEY,
    seen_at timestamptz NOT NULL DEFAULT now()
);
