-- What the gateway itself last set for the user that it starts with; NULL means what the user has.
ALTER TABLE users
    ADD COLUMN bootstrap_password_hash text,
    ADD COLUMN bootstrap_scopes text[];
UPDATE users SET bootstrap_password_hash = password_hash, bootstrap_scopes = scopes WHERE username = 'admin';
