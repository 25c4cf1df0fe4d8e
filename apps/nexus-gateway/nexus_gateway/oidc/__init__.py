"""External login: OpenID Connect providers sign users in (OpenID Connect Core 1.0, code flow with PKCE)."""
