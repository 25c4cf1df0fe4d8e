-- The other models of the default catalogue, as a plan makes them: at once, unless a package of models has such tables already.
DO $$
DECLARE
    made text;
    own_rows CONSTANT text := $condition$tenant_id = (SELECT nullif(current_setting('app.tenant', true), ''))$condition$;
BEGIN
    IF to_regclass('products') IS NULL OR EXISTS (
        SELECT FROM pg_class
         WHERE relnamespace = current_schema()::regnamespace
           AND relname IN ('suppliers', 'categories', 'attributes', 'price_lists', 'price_items', 'documents')
    ) THEN
        RETURN;
    END IF;

    CREATE TABLE suppliers (
        id text NOT NULL,
        name text NOT NULL,
        country text,
        email text,
        website text,
        active boolean NOT NULL DEFAULT true,
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now(),
        row_version bigint NOT NULL DEFAULT 1,
        tenant_id text NOT NULL DEFAULT nullif(current_setting('app.tenant', true), ''),
        PRIMARY KEY (tenant_id, id)
    );
    CREATE INDEX suppliers_name_idx ON suppliers (tenant_id, name);

    CREATE TABLE categories (
        id text NOT NULL,
        name text NOT NULL,
        description text,
        parent_id text,
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now(),
        row_version bigint NOT NULL DEFAULT 1,
        tenant_id text NOT NULL DEFAULT nullif(current_setting('app.tenant', true), ''),
        PRIMARY KEY (tenant_id, id),
        CONSTRAINT parent_id_fkey FOREIGN KEY (tenant_id, parent_id) REFERENCES categories (tenant_id, id) DEFERRABLE
    );
    CREATE UNIQUE INDEX categories_name_key ON categories (tenant_id, parent_id, name);

    CREATE TABLE attributes (
        id text NOT NULL,
        name text NOT NULL,
        kind text NOT NULL DEFAULT 'text',
        unit text,
        choices text[] NOT NULL DEFAULT '{}',
        category_id text,
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now(),
        row_version bigint NOT NULL DEFAULT 1,
        tenant_id text NOT NULL DEFAULT nullif(current_setting('app.tenant', true), ''),
        PRIMARY KEY (tenant_id, id),
        CONSTRAINT kind_texts_32aa2a22 CHECK (kind = ANY (ARRAY['boolean', 'choice', 'number', 'text']::text[])),
        CONSTRAINT category_id_fkey FOREIGN KEY (tenant_id, category_id) REFERENCES categories (tenant_id, id) DEFERRABLE
    );
    CREATE UNIQUE INDEX attributes_name_key ON attributes (tenant_id, category_id, name);

    CREATE TABLE price_lists (
        id text NOT NULL,
        name text NOT NULL,
        currency text NOT NULL,
        valid_from date NOT NULL,
        valid_to date,
        supplier_id text,
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now(),
        row_version bigint NOT NULL DEFAULT 1,
        tenant_id text NOT NULL DEFAULT nullif(current_setting('app.tenant', true), ''),
        PRIMARY KEY (tenant_id, id),
        CONSTRAINT supplier_id_fkey FOREIGN KEY (tenant_id, supplier_id) REFERENCES suppliers (tenant_id, id) DEFERRABLE
    );
    CREATE INDEX price_lists_supplier_id_idx ON price_lists (tenant_id, supplier_id);

    CREATE TABLE price_items (
        id bigint GENERATED ALWAYS AS IDENTITY,
        price_list_id text NOT NULL,
        product_id bigint NOT NULL,
        minimum_quantity numeric NOT NULL DEFAULT '1',
        price numeric NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now(),
        row_version bigint NOT NULL DEFAULT 1,
        tenant_id text NOT NULL DEFAULT nullif(current_setting('app.tenant', true), ''),
        PRIMARY KEY (tenant_id, id),
        CONSTRAINT price_list_id_fkey FOREIGN KEY (tenant_id, price_list_id) REFERENCES price_lists (tenant_id, id) DEFERRABLE,
        CONSTRAINT product_id_fkey FOREIGN KEY (tenant_id, product_id) REFERENCES products (tenant_id, id) DEFERRABLE
    );
    CREATE UNIQUE INDEX price_items_quantity_key ON price_items (tenant_id, price_list_id, product_id, minimum_quantity);
    CREATE INDEX price_items_product_id_idx ON price_items (tenant_id, product_id);

    CREATE TABLE documents (
        id uuid NOT NULL DEFAULT gen_random_uuid(),
        title text NOT NULL,
        kind text NOT NULL DEFAULT 'other',
        url text NOT NULL,
        language text,
        product_id bigint,
        supplier_id text,
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now(),
        row_version bigint NOT NULL DEFAULT 1,
        tenant_id text NOT NULL DEFAULT nullif(current_setting('app.tenant', true), ''),
        PRIMARY KEY (tenant_id, id),
        CONSTRAINT kind_texts_baae83a8
            CHECK (kind = ANY (ARRAY['certificate', 'datasheet', 'drawing', 'manual', 'other']::text[])),
        CONSTRAINT product_id_fkey FOREIGN KEY (tenant_id, product_id) REFERENCES products (tenant_id, id) DEFERRABLE,
        CONSTRAINT supplier_id_fkey FOREIGN KEY (tenant_id, supplier_id) REFERENCES suppliers (tenant_id, id) DEFERRABLE
    );
    CREATE INDEX documents_product_id_idx ON documents (tenant_id, product_id);
    CREATE INDEX documents_supplier_id_idx ON documents (tenant_id, supplier_id);

    FOREACH made IN ARRAY ARRAY['suppliers', 'categories', 'attributes', 'price_lists', 'price_items', 'documents']
    LOOP
        EXECUTE format('CREATE POLICY tenant ON %I USING (%s) WITH CHECK (%s)', made, own_rows, own_rows);
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', made);
    END LOOP;
END
$$;
