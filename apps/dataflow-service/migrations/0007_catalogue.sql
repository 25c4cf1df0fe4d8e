-- The other models of the default catalogue, as a plan makes them: at once, unless a package of models has such tables already.
DO $$
BEGIN
    IF to_regclass('products') IS NULL OR EXISTS (
        SELECT FROM pg_class
         WHERE relnamespace = current_schema()::regnamespace
           AND relname IN ('suppliers', 'categories', 'attributes', 'price_lists', 'price_items', 'documents')
    ) THEN
        RETURN;
    END IF;

    CREATE TABLE suppliers (
        id text PRIMARY KEY,
        name text NOT NULL,
        country text,
        email text,
        website text,
        active boolean NOT NULL DEFAULT true,
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now(),
        row_version bigint NOT NULL DEFAULT 1
    );
    CREATE INDEX suppliers_name_idx ON suppliers (name);

    CREATE TABLE categories (
        id text PRIMARY KEY,
        name text NOT NULL,
        description text,
        parent_id text,
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now(),
        row_version bigint NOT NULL DEFAULT 1,
        CONSTRAINT parent_id_fkey FOREIGN KEY (parent_id) REFERENCES categories (id) DEFERRABLE
    );
    CREATE UNIQUE INDEX categories_name_key ON categories (parent_id, name);

    CREATE TABLE attributes (
        id text PRIMARY KEY,
        name text NOT NULL,
        kind text NOT NULL DEFAULT 'text',
        unit text,
        choices text[] NOT NULL DEFAULT '{}',
        category_id text,
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now(),
        row_version bigint NOT NULL DEFAULT 1,
        CONSTRAINT kind_texts_32aa2a22 CHECK (kind = ANY (ARRAY['boolean', 'choice', 'number', 'text']::text[])),
        CONSTRAINT category_id_fkey FOREIGN KEY (category_id) REFERENCES categories (id) DEFERRABLE
    );
    CREATE UNIQUE INDEX attributes_name_key ON attributes (category_id, name);

    CREATE TABLE price_lists (
        id text PRIMARY KEY,
        name text NOT NULL,
        currency text NOT NULL,
        valid_from date NOT NULL,
        valid_to date,
        supplier_id text,
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now(),
        row_version bigint NOT NULL DEFAULT 1,
        CONSTRAINT supplier_id_fkey FOREIGN KEY (supplier_id) REFERENCES suppliers (id) DEFERRABLE
    );
    CREATE INDEX price_lists_supplier_id_idx ON price_lists (supplier_id);

    CREATE TABLE price_items (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        price_list_id text NOT NULL,
        product_id bigint NOT NULL,
        minimum_quantity numeric NOT NULL DEFAULT '1',
        price numeric NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now(),
        row_version bigint NOT NULL DEFAULT 1,
        CONSTRAINT price_list_id_fkey FOREIGN KEY (price_list_id) REFERENCES price_lists (id) DEFERRABLE,
        CONSTRAINT product_id_fkey FOREIGN KEY (product_id) REFERENCES products (id) DEFERRABLE
    );
    CREATE UNIQUE INDEX price_items_quantity_key ON price_items (price_list_id, product_id, minimum_quantity);
    CREATE INDEX price_items_product_id_idx ON price_items (product_id);

    CREATE TABLE documents (
        id uuid DEFAULT gen_random_uuid() PRIMARY KEY,
        title text NOT NULL,
        kind text NOT NULL DEFAULT 'other',
        url text NOT NULL,
        language text,
        product_id bigint,
        supplier_id text,
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now(),
        row_version bigint NOT NULL DEFAULT 1,
        CONSTRAINT kind_texts_baae83a8
            CHECK (kind = ANY (ARRAY['certificate', 'datasheet', 'drawing', 'manual', 'other']::text[])),
        CONSTRAINT product_id_fkey FOREIGN KEY (product_id) REFERENCES products (id) DEFERRABLE,
        CONSTRAINT supplier_id_fkey FOREIGN KEY (supplier_id) REFERENCES suppliers (id) DEFERRABLE
    );
    CREATE INDEX documents_product_id_idx ON documents (product_id);
    CREATE INDEX documents_supplier_id_idx ON documents (supplier_id);
END
$$;
