-- Files whose rows are classified. `options` is what the owner asked for, `layout` what was found of the file, both as JSON in
-- text: jsonb has no NUL and no lone surrogates, which names of columns may have. While a job is
-- received, `parts` of its file arrive; a job that runs is read into chunks (`read_chunks` of them with `read_rows` so far; `read`
-- when that is all), which are classified in any order.
CREATE TABLE jobs (
    id uuid PRIMARY KEY,
    tenant text NOT NULL,
    subject text NOT NULL,
    name text,
    state text NOT NULL DEFAULT 'receiving' CHECK (state IN ('receiving', 'running', 'done', 'failed', 'cancelled')),
    taxonomy text NOT NULL,
    version text NOT NULL,
    options text NOT NULL,
    layout text,
    error text,
    read_rows bigint NOT NULL DEFAULT 0,
    read_chunks integer NOT NULL DEFAULT 0,
    read boolean NOT NULL DEFAULT false,
    swept boolean NOT NULL DEFAULT false, -- whether its parts and answers, and the chunks of one that failed, are deleted
    created_at timestamptz NOT NULL DEFAULT now(),
    started_at timestamptz,
    ended_at timestamptz
);
CREATE INDEX jobs_owner_idx ON jobs (tenant, subject, created_at DESC, id);
CREATE INDEX jobs_running_idx ON jobs (created_at) WHERE state = 'running';

-- The file as it was sent, in parts of equal size but the last. It does not get smaller by compression again.
CREATE TABLE job_parts (
    job_id uuid NOT NULL REFERENCES jobs ON DELETE CASCADE,
    number integer NOT NULL,
    content bytea STORAGE EXTERNAL NOT NULL,
    PRIMARY KEY (job_id, number)
);

-- Rows, compressed, and their results. A worker process holds the lock on the chunk that it computes; a chunk without `done_at`
-- and without a lock is to be computed, whatever became of the process that had it.
CREATE TABLE job_chunks (
    job_id uuid NOT NULL REFERENCES jobs ON DELETE CASCADE,
    number integer NOT NULL,
    rows integer NOT NULL,
    content bytea STORAGE EXTERNAL NOT NULL,
    results bytea STORAGE EXTERNAL,
    failed integer NOT NULL DEFAULT 0,
    errors text NOT NULL DEFAULT '[]', -- of the first rows without a code, as JSON: [row, error]
    attempts integer NOT NULL DEFAULT 0,
    done_at timestamptz,
    PRIMARY KEY (job_id, number)
);
CREATE INDEX job_chunks_open_idx ON job_chunks (number, job_id) WHERE done_at IS NULL;

-- The answers of a job that runs, by a digest of what was classified: each text is classified once.
CREATE TABLE job_answers (
    job_id uuid NOT NULL REFERENCES jobs ON DELETE CASCADE,
    digest bytea NOT NULL,
    answer text NOT NULL,
    PRIMARY KEY (job_id, digest)
);
