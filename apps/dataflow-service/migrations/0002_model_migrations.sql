-- The plans that changed the tables of the models, each with its text. `schema_migrations` has the files like this one.
CREATE TABLE model_migrations (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    checksum text NOT NULL,
    text text NOT NULL,
    steps jsonb NOT NULL,
    declared jsonb NOT NULL,
    state text NOT NULL CHECK (state IN ('applying', 'applied', 'rolling back', 'rolled back')),
    done integer NOT NULL DEFAULT 0 CHECK (done BETWEEN 0 AND jsonb_array_length(steps)),
    started_at timestamptz NOT NULL DEFAULT now(),
    applied_at timestamptz,
    rolled_back_at timestamptz
);
CREATE UNIQUE INDEX model_migrations_one_unfinished
    ON model_migrations ((true)) WHERE state IN ('applying', 'rolling back');

-- The owner runs the steps that are written here, so nobody else may write them.
DO $$
DECLARE
    other text;
BEGIN
    FOR other IN
        SELECT DISTINCT rolname
          FROM pg_class AS c, aclexplode(c.relacl) AS granted
          JOIN pg_roles AS r ON r.oid = granted.grantee
         WHERE c.oid = 'model_migrations'::regclass AND granted.grantee <> c.relowner
    LOOP
        EXECUTE format('REVOKE ALL ON model_migrations FROM %I', other);
    END LOOP;
END
$$;
