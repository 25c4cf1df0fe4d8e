-- Counts the rows of those of these tables that seem to have next to none and have many: their owner alone may do that.
CREATE OR REPLACE FUNCTION recount(names text[]) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $function$
DECLARE
    miscounted regclass;
BEGIN
    FOR miscounted IN
        SELECT oid FROM pg_class
         WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r' AND relname = ANY (names)
           AND relpages > 0 AND pg_relation_size(oid) >= 65536
           AND reltuples / relpages * pg_relation_size(oid) / current_setting('block_size')::int < 10
    LOOP
        EXECUTE format('ANALYZE (SKIP_LOCKED) %s', miscounted);
    END LOOP;
END
$function$;
