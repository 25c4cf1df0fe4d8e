-- Each product belongs to a tenant; those that are there to the default one. The same steps as a plan has for other tables.
DO $$
BEGIN
    IF to_regclass('products') IS NULL OR EXISTS (
        SELECT FROM pg_attribute WHERE attrelid = 'products'::regclass AND attname = 'tenant_id' AND NOT attisdropped
    ) THEN
        RETURN;
    END IF;
    ALTER TABLE products ADD COLUMN tenant_id text NOT NULL DEFAULT 'default';
    ALTER TABLE products ALTER COLUMN tenant_id SET DEFAULT nullif(current_setting('app.tenant', true), '');
    ALTER TABLE products DROP CONSTRAINT products_pkey, ADD CONSTRAINT products_pkey PRIMARY KEY (tenant_id, id);
    ALTER TABLE products DROP CONSTRAINT IF EXISTS products_sku_key;
    DROP INDEX IF EXISTS products_sku_key;
    CREATE UNIQUE INDEX products_sku_key ON products (tenant_id, sku);
    CREATE POLICY tenant ON products
        USING (tenant_id = (SELECT nullif(current_setting('app.tenant', true), '')))
        WITH CHECK (tenant_id = (SELECT nullif(current_setting('app.tenant', true), '')));
    ALTER TABLE products ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
END
$$;
