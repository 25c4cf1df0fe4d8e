-- Answers that people should check, one for each text of a tenant. `times` is how often it was asked for, `generation` that of the
-- labels that the answer was made with. `item` is as it was sent; jsonb would refuse some of its characters.
CREATE TABLE review_rows (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    taxonomy text NOT NULL,
    version text NOT NULL,
    tenant text NOT NULL,
    key bytea NOT NULL,
    item json NOT NULL,
    code text COLLATE "C" NOT NULL,
    confidence real NOT NULL,
    certainty real NOT NULL, -- the confidence of the likeliest code without those below it
    candidates jsonb NOT NULL,
    model_version text NOT NULL,
    generation bigint NOT NULL,
    times integer NOT NULL DEFAULT 1,
    first_asked_at timestamptz NOT NULL DEFAULT now(),
    last_asked_at timestamptz NOT NULL DEFAULT now(),
    gain double precision NOT NULL GENERATED ALWAYS AS ((1 - certainty::double precision) * times) STORED,
    UNIQUE (taxonomy, version, tenant, key)
);
CREATE INDEX review_rows_gain_idx ON review_rows (taxonomy, version, tenant, gain DESC, id);
CREATE INDEX review_rows_generation_idx ON review_rows (taxonomy, version, generation);
