-- The audit finds the changes of a row by it, the newest first. Writes wait while it is made: a second for a million changes.
CREATE INDEX changes_row_idx ON changes (row_id, xid, id);

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
    CREATE INDEX products_words_114e7987 ON products USING gin (to_tsvector('pg_catalog.english', "name" || ' ' || CASE WHEN "description" IS NULL THEN '' ELSE "description" END || ' ' || CASE WHEN "sku" IS NULL THEN '' ELSE "sku" END));
    CREATE INDEX products_parts_8edb765a ON products USING gin ("name" gin_trgm_ops, "description" gin_trgm_ops, "sku" gin_trgm_ops);
END
$$;
