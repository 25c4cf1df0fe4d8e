-- What each statement changed: of which model, how, which fields, and by whom.
CREATE TABLE change_sets (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now(),
    model text NOT NULL,
    operation text NOT NULL CHECK (operation IN ('create', 'update', 'delete')),
    changed text[] NOT NULL,
    tenant text,
    author jsonb NOT NULL
);

-- The rows that it changed, as they were afterwards. No foreign key: a statement writes both, and one per row costs time.
CREATE TABLE changes (
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    id bigint GENERATED ALWAYS AS IDENTITY,
    set_id bigint NOT NULL,
    row_id text NOT NULL,
    row jsonb,
    PRIMARY KEY (xid, id)
);

-- How far changes were published to channels, and up to where they were deleted.
CREATE TABLE change_positions (
    name text PRIMARY KEY CHECK (name IN ('published', 'deleted')),
    xid xid8 NOT NULL,
    id bigint NOT NULL
);
INSERT INTO change_positions VALUES ('published', '0', 0), ('deleted', '0', 0);
