-- Which user of a tenant somebody is whom a provider has signed in.
CREATE TABLE external_identities (
    tenant text NOT NULL REFERENCES tenants,
    issuer text NOT NULL CHECK (char_length(issuer) <= 500),
    subject text NOT NULL CHECK (char_length(subject) BETWEEN 1 AND 255),
    user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    linked_at timestamptz NOT NULL DEFAULT now(),
    last_used_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant, issuer, subject),
    UNIQUE (user_id, issuer) -- a reassigned e-mail address does not bring a second person into the account
);
