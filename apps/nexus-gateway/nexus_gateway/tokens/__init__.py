"""Access tokens: the signing key, and the grants that give tokens."""
