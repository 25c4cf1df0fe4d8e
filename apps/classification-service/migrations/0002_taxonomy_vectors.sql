-- The vectors of a version's texts by an encoder, in chunks of consecutive codes from position `first` on: whole numbers of
-- one byte, each vector with a scale (float32) of its own. They do not compress.
CREATE TABLE taxonomy_vectors (
    taxonomy_id bigint NOT NULL,
    encoder text NOT NULL,
    first integer NOT NULL,
    codes integer NOT NULL,
    scales bytea STORAGE EXTERNAL NOT NULL,
    vectors bytea STORAGE EXTERNAL NOT NULL,
    PRIMARY KEY (taxonomy_id, encoder, first)
);
