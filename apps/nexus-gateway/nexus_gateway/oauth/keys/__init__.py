"""The keys that sign the access tokens: kept in PostgreSQL, encrypted by a key that only the secret file has."""
