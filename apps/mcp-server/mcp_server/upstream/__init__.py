"""Calls to the other services on behalf of a caller."""
