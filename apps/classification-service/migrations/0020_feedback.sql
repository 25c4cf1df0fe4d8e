-- The codes that people chose for texts, one for each text (`key` is a digest of it) of a tenant ('' for none): the latest counts.
-- `generation` is that of the correction (label_generations), `vector` the text's by `encoder`, in whole numbers of one byte.
CREATE TABLE labels (
    taxonomy text NOT NULL,
    version text NOT NULL,
    tenant text NOT NULL,
    key bytea NOT NULL,
    text text NOT NULL,
    language text NOT NULL,
    code text COLLATE "C" NOT NULL,
    generation bigint NOT NULL,
    encoder text NOT NULL,
    scale real NOT NULL,
    vector bytea STORAGE EXTERNAL NOT NULL,
    decided_by text NOT NULL,
    decided_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (taxonomy, version, tenant, key)
);
CREATE INDEX labels_generation_idx ON labels (taxonomy, version, tenant, generation, key);

-- Who decided what: a line for each item of feedback. `suggested_*` is what the service said before, `agreed_level` the deepest
-- level at which both say the same.
CREATE TABLE decisions (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    taxonomy text NOT NULL,
    version text NOT NULL,
    tenant text NOT NULL,
    item_id text,
    text text NOT NULL,
    language text NOT NULL,
    code text COLLATE "C" NOT NULL,
    level text NOT NULL,
    suggested_code text COLLATE "C" NOT NULL,
    suggested_level text NOT NULL,
    suggested_confidence real NOT NULL,
    suggested_source text NOT NULL,
    suggested_by text,
    model_version text NOT NULL,
    agreed_level text,
    decided_by text NOT NULL,
    decided_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX decisions_version_idx ON decisions (taxonomy, version, tenant, id);
