-- Changes with each correction of a taxonomy's labels, in the transaction of the correction: cached answers of before have
-- another generation, and are found no more. A taxonomy without a row has the generation 0.
CREATE TABLE label_generations (
    taxonomy text NOT NULL,
    version text NOT NULL,
    generation bigint NOT NULL,
    PRIMARY KEY (taxonomy, version)
);
