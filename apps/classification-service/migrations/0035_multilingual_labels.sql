-- The vector of a label's text by the multilingual encoder, beside that by the encoder for English; empty where none was computed.
ALTER TABLE labels
    ADD COLUMN multilingual_encoder text NOT NULL DEFAULT '',
    ADD COLUMN multilingual_scale real NOT NULL DEFAULT 0,
    ADD COLUMN multilingual_vector bytea NOT NULL DEFAULT '';
ALTER TABLE labels ALTER COLUMN multilingual_vector SET STORAGE EXTERNAL;
