-- Trained models. A model is of one import of a taxonomy's version (`taxonomy_key`, '' for a starter) and of one tenant ('' for
-- none), whose labels it was trained on. `id` is a digest of all that and of its files; `parent` is the model that served when it
-- was trained. `files` has the name, the bytes and the SHA-256 of each file, in the order of `model_parts.file`.
CREATE TABLE models (
    id text COLLATE "C" PRIMARY KEY,
    taxonomy text NOT NULL,
    version text NOT NULL,
    taxonomy_key text NOT NULL,
    tenant text NOT NULL,
    files jsonb NOT NULL,
    bytes bigint NOT NULL,
    report text NOT NULL, -- JSON
    level text, -- the deepest that was measured, and the share of its rows that the model was right for
    accuracy double precision,
    labels integer NOT NULL,
    generation bigint NOT NULL,
    seed bigint NOT NULL,
    parent text COLLATE "C",
    created_by text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX models_line_idx ON models (tenant, taxonomy, version, created_at);

-- The files in parts of equal size but the last of each. They do not get smaller by compression.
CREATE TABLE model_parts (
    model_id text COLLATE "C" NOT NULL REFERENCES models ON DELETE CASCADE,
    file integer NOT NULL,
    number integer NOT NULL,
    content bytea STORAGE EXTERNAL NOT NULL,
    PRIMARY KEY (model_id, file, number)
);

CREATE FUNCTION refuse_change_of_model() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a model does not change once it is written';
END $$;
CREATE TRIGGER models_do_not_change BEFORE UPDATE ON models EXECUTE FUNCTION refuse_change_of_model();
CREATE TRIGGER model_parts_do_not_change BEFORE UPDATE ON model_parts EXECUTE FUNCTION refuse_change_of_model();

-- The alias `serving`: the model that answers, without a row or without a model the titles, examples and labels alone.
CREATE TABLE serving_models (
    taxonomy text NOT NULL,
    version text NOT NULL,
    taxonomy_key text NOT NULL,
    tenant text NOT NULL,
    model_id text COLLATE "C" REFERENCES models,
    PRIMARY KEY (taxonomy, version, taxonomy_key, tenant)
);

-- Who moved the alias when; models that were deleted since are named too.
CREATE TABLE model_activations (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    taxonomy text NOT NULL,
    version text NOT NULL,
    taxonomy_key text NOT NULL,
    tenant text NOT NULL,
    model_id text COLLATE "C",
    forced boolean NOT NULL,
    activated_by text NOT NULL,
    activated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX model_activations_tenant_idx ON model_activations (tenant, id DESC);
