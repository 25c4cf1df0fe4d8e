CREATE TABLE products (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL,
    description text,
    sku text,
    supplier text,
    unspsc_code text CHECK (unspsc_code ~ '^[0-9]{8}$'),
    etim_class text CHECK (etim_class ~ '^EC[0-9]{6}$'),
    attributes jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT products_sku_key UNIQUE (sku)
);
