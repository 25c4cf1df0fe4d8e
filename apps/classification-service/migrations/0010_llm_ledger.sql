-- What calls of the language model cost. A counter has the settled calls of its period, and the open ones at the most that
-- they may cost: a call that nobody settles, because its process was killed, goes on counting in full.
CREATE TABLE llm_budget (
    period text NOT NULL CHECK (period IN ('day', 'month')),
    starts date NOT NULL,
    requests bigint NOT NULL DEFAULT 0,
    tokens bigint NOT NULL DEFAULT 0,
    cost numeric(20, 10) NOT NULL DEFAULT 0,
    PRIMARY KEY (period, starts)
);

-- The ledger: a line for each call, or batch of calls. Until `settled_at` is set, the figures are those of the reservation.
CREATE TABLE llm_calls (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now(),
    day date NOT NULL,
    month date NOT NULL,
    origin text NOT NULL,
    subject text,
    model text NOT NULL,
    prompt_version text NOT NULL,
    requests integer NOT NULL,
    tokens bigint NOT NULL,
    cost numeric(20, 10) NOT NULL,
    input_tokens bigint,
    cached_tokens bigint,
    output_tokens bigint,
    outcome text,
    expires_at timestamptz NOT NULL,
    settled_at timestamptz
);
CREATE INDEX llm_calls_day_idx ON llm_calls (day);
