-- By it the audit finds the changes of a row. A hash, because it costs a write next to nothing, and a tree of texts as much again
-- as the change itself. Writes wait while it is made: about a second for 300,000 changes.
CREATE INDEX changes_row_idx ON changes USING hash (row_id);

-- Search of products, as a plan makes it: at once while there are none. Where there are products, a plan makes the indexes while
-- others write, and so it does where the extension is missing; until then a search reads all products of the tenant.
DO $$
BEGIN
    CREATE EXTENSION IF NOT EXISTS pg_trgm;
EXCEPTION WHEN insufficient_privilege OR undefined_file THEN
    RAISE NOTICE 'pg_trgm is missing: %', SQLERRM;
END
$$;
DO $$
BEGIN
    IF to_regproc('word_similarity') IS NULL OR pg_relation_size(to_regclass('products')) IS DISTINCT FROM 0 OR 3 > (
        SELECT count(*) FROM pg_attribute
         WHERE attrelid = to_regclass('products') AND attname IN ('name', 'description', 'sku') AND atttypid = 'text'::regtype
    ) THEN
        RETURN;
    END IF;
    CREATE INDEX products_words_1ce83f39 ON products USING gin (to_tsvector('pg_catalog.english', "name" || ' ' || CASE WHEN "description" IS NULL THEN '' ELSE "description" END || ' ' || CASE WHEN "sku" IS NULL THEN '' ELSE "sku" END)) WITH (gin_pending_list_limit = 1024);
    CREATE INDEX products_parts_832fa874 ON products USING gin ("name" gin_trgm_ops, "description" gin_trgm_ops, "sku" gin_trgm_ops) WITH (gin_pending_list_limit = 1024);
END
$$;
