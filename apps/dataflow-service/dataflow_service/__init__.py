"""Kailash DataFlow models as a data API on PostgreSQL."""

__version__ = "0.3.0"
