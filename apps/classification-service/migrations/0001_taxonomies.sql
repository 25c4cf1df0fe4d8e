-- Versions of taxonomies that were imported; the starter taxonomies are files of the service.
CREATE TABLE taxonomies (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key uuid NOT NULL DEFAULT gen_random_uuid(), -- names the version's files on the disks of the service's processes
    name text NOT NULL CHECK (name IN ('unspsc', 'etim')),
    version text NOT NULL,
    language text NOT NULL,
    source text NOT NULL,
    imported_by text NOT NULL,
    imported_at timestamptz NOT NULL DEFAULT now(),
    codes integer NOT NULL DEFAULT 0,
    levels jsonb NOT NULL DEFAULT '{}',
    UNIQUE (name, version)
);

-- The version that a request means which names none; without a row it is that of the starter taxonomy.
CREATE TABLE taxonomy_defaults (
    name text PRIMARY KEY,
    version text NOT NULL,
    switched_by text NOT NULL,
    switched_at timestamptz NOT NULL DEFAULT now()
);

-- The codes of a version, whose order is `position`, from 0 without gaps. `synonyms` has one a line. No foreign keys here and
-- below: an import writes all of a version in one transaction, and one per row costs time.
CREATE TABLE taxonomy_nodes (
    taxonomy_id bigint NOT NULL,
    position integer NOT NULL,
    code text COLLATE "C" NOT NULL,
    level text NOT NULL,
    parent text COLLATE "C",
    title text NOT NULL,
    definition text NOT NULL,
    synonyms text NOT NULL,
    PRIMARY KEY (taxonomy_id, code)
);
CREATE UNIQUE INDEX taxonomy_nodes_position_idx ON taxonomy_nodes (taxonomy_id, position);
CREATE INDEX taxonomy_nodes_parent_idx ON taxonomy_nodes (taxonomy_id, parent, code);
CREATE INDEX taxonomy_nodes_words_idx ON taxonomy_nodes
    USING gin (to_tsvector('simple', title || E'\n' || synonyms));

-- ETIM's features (EF), values (EV) and units (EU).
CREATE TABLE etim_terms (
    taxonomy_id bigint NOT NULL,
    code text COLLATE "C" NOT NULL,
    title text NOT NULL,
    kind text,
    PRIMARY KEY (taxonomy_id, code)
);

-- The features of a class, each with its unit or with the values that it may have.
CREATE TABLE etim_class_features (
    taxonomy_id bigint NOT NULL,
    class text COLLATE "C" NOT NULL,
    position integer NOT NULL,
    feature text COLLATE "C" NOT NULL,
    kind text,
    unit text COLLATE "C",
    "values" text[] NOT NULL,
    PRIMARY KEY (taxonomy_id, class, feature)
);
