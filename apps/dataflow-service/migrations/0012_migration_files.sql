-- Files of migrations, what each plan declared, and how each of its steps went. Without a file, a plan was applied by its checksum.
ALTER TABLE model_migrations
    ADD COLUMN file text,
    ADD COLUMN file_checksum text,
    ADD COLUMN tables jsonb,
    ADD COLUMN progress jsonb NOT NULL DEFAULT '{}',
    ADD CONSTRAINT model_migrations_file_check CHECK ((file IS NULL) = (file_checksum IS NULL)),
    DROP CONSTRAINT model_migrations_state_check,
    ADD CONSTRAINT model_migrations_state_check
        CHECK (state IN ('applying', 'applied', 'rolling back', 'rolled back', 'failed', 'replaced'));
CREATE UNIQUE INDEX model_migrations_file ON model_migrations (file) WHERE state IN ('applying', 'applied', 'rolling back');
