"""Sessions of signed-in users, kept in Redis."""
