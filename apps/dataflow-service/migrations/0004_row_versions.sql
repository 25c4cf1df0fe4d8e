-- How often a row was changed, plus one: what its ETag says. `migrate plan` adds it to the tables of other models.
ALTER TABLE products ADD COLUMN row_version bigint NOT NULL DEFAULT 1;
