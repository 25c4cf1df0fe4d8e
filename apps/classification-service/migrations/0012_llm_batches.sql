-- Batches of questions to the language model (OpenAI's Batch API). The ids there are kept as soon as they are known, so that
-- another process goes on where one was killed.
CREATE TABLE llm_batches (
    id uuid PRIMARY KEY,
    origin text NOT NULL,
    subject text,
    state text NOT NULL CHECK (state IN ('new', 'uploaded', 'submitted', 'done', 'failed', 'cancelled')),
    cancel_requested boolean NOT NULL DEFAULT false,
    call_id bigint NOT NULL REFERENCES llm_calls (id),
    model text NOT NULL,
    prompt_version text NOT NULL,
    input_file text,
    remote_id text,
    remote_status text,
    reason text,
    created_at timestamptz NOT NULL DEFAULT now(),
    leased_until timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz
);
CREATE INDEX llm_batches_open_idx ON llm_batches (leased_until) WHERE ended_at IS NULL;

-- `number` is the candidate that was chosen, 0 for none of them; `outcome` is there once the row is done.
CREATE TABLE llm_batch_rows (
    batch uuid NOT NULL REFERENCES llm_batches (id) ON DELETE CASCADE,
    row integer NOT NULL,
    request jsonb NOT NULL,
    candidates integer NOT NULL,
    number integer,
    outcome text,
    PRIMARY KEY (batch, row)
);
