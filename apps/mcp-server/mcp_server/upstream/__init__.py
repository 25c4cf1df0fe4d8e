"""Calls to the other services on behalf of whoever called a tool."""
