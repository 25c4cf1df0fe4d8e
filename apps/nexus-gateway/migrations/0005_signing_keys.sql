CREATE TABLE signing_keys (
    kid text PRIMARY KEY,
    state text NOT NULL CHECK (state IN ('next', 'current', 'previous', 'retired', 'withdrawn')),
    public_key text NOT NULL, -- `x` of the JWK (RFC 8037)
    private_key text, -- a JWE; gone once the key signs no more
    created_at timestamptz NOT NULL DEFAULT now(), -- published since then
    signed_from timestamptz,
    signed_until timestamptz,
    CHECK ((private_key IS NOT NULL) = (state IN ('next', 'current')))
);

CREATE UNIQUE INDEX signing_keys_in_use ON signing_keys (state) WHERE state IN ('next', 'current');
