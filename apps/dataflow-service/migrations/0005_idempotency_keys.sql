-- Answers to requests with an Idempotency-Key. The answer to a repeated request is read here.
CREATE TABLE idempotency_keys (
    subject text NOT NULL,
    key text NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    digest bytea NOT NULL,
    status smallint NOT NULL,
    headers jsonb NOT NULL,
    body bytea NOT NULL,
    PRIMARY KEY (subject, key)
);
CREATE INDEX idempotency_keys_at_idx ON idempotency_keys (at);
