-- By it the audit finds the changes of a row. A hash, because it costs a write next to nothing, and a tree of texts as much again
-- as the change itself. Writes wait while it is made: about a second for 300,000 changes.
CREATE INDEX changes_row_idx ON changes USING hash (row_id);

-- Plans of models that declare a search need it; where it is missing, they fail and say so.
DO $$
BEGIN
    CREATE EXTENSION IF NOT EXISTS pg_trgm;
EXCEPTION WHEN insufficient_privilege OR undefined_file THEN
    RAISE NOTICE 'pg_trgm is missing: %', SQLERRM;
END
$$;
