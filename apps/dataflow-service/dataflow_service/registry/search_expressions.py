"""The SQL of what is searched. Conditions use an index if they have its expression, so both are written here."""

from dataflow_service.registry.model import Field, Search
from dataflow_service.registry.quoting import quote


def words(search: Search, table: str = "") -> str:
    """Return the words of a row, as full-text search has them. `table` is what comes before the columns."""
    return f"to_tsvector({configuration(search)}, {text(search, table)})"


def configuration(search: Search) -> str:
    """Return the configuration of the language."""
    return f"'pg_catalog.{search.language}'"


def text(search: Search, table: str = "") -> str:
    """Return all texts of a row that are searched.

    It has no coalesce: PostgreSQL takes an expression with one for leaky, and under row-level security it would compute it
    for each row of the tenant instead of looking it up in an index.
    """
    return " || ' ' || ".join(_text(field, f"{table}{quote(field.name)}") for field in search.fields)


def _text(field: Field, column: str) -> str:
    return f"CASE WHEN {column} IS NULL THEN '' ELSE {column} END" if field.nullable else column
