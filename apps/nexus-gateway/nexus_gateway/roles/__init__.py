"""Roles: what users may do, as names for sets of scopes."""
