"""The SQL of a search. It never fails on what was typed.

A row matches if full-text search finds its words, the last of them by how it begins, or if each word is part of one of its
texts. Where no row of the filter matches, rows match whose texts have something similar to each word.
"""

from collections.abc import Iterable

from dataflow_service.records.conditions import Parameters, column
from dataflow_service.records.query import RELEVANCE, SearchText
from dataflow_service.records.search_parsing import has_trigram
from dataflow_service.records.sql import TABLE
from dataflow_service.registry import search_expressions
from dataflow_service.registry.model import Model, Search
from dataflow_service.registry.quoting import quote

_RELEVANCE = quote(RELEVANCE.name)


def found(model: Model, declared: Search, sought: SearchText, where: str, parameters: Parameters) -> str:
    """Return the rows of a condition that match, with their relevance: from 1 on by full-text search, below by similarity.

    What matches exactly is read once, and before that is known nothing similar is looked for.
    """
    table = f"{quote(model.table)} AS {TABLE}"
    text = parameters.add(sought.text, "text")
    query, words = _query(declared, text), search_expressions.words(declared, f"{TABLE}.")
    rank = f"1 + ts_rank({words}, {query})::double precision"
    similarity = f"word_similarity({text}, {search_expressions.text(declared, f'{TABLE}.')})::double precision"
    exact = f"""({words} @@ {query} AND querytree({query}) <> ALL ('{{"",T}}'))"""  # not where all words are left out
    if any(map(has_trigram, sought.words)):
        exact = f"{_each(declared, 'ILIKE', map(_part, sought.words), parameters)} OR {exact}"
    similar = _each(declared, "%>", sought.words, parameters) if sought.words else "FALSE"
    return (
        f'WITH "exact matches" AS MATERIALIZED (SELECT {TABLE}.*, {rank} AS {_RELEVANCE} FROM {table} '  # noqa: S608 - names are of the registry, values are parameters
        f"WHERE ({exact}) AND {where}) "
        f'SELECT * FROM "exact matches" UNION ALL SELECT {TABLE}.*, {similarity} FROM {table} '
        f'WHERE NOT EXISTS (SELECT FROM "exact matches") AND {similar} AND {where}'
    )


def _query(declared: Search, text: str) -> str:
    """Return the query of full-text search, whose last word may go on; one that ends otherwise stays as it is."""
    query = f"websearch_to_tsquery({search_expressions.configuration(declared)}, {text})::text"
    return f"({query} || CASE WHEN right({query}, 1) = '''' THEN ':*' ELSE '' END)::tsquery"


def _each(declared: Search, operator: str, operands: Iterable[str], parameters: Parameters) -> str:
    """Return the condition that for each operand one of the fields meets."""
    placed = [parameters.add(operand, "text") for operand in operands]
    any_field = [" OR ".join(f"{column(field)} {operator} {place}" for field in declared.fields) for place in placed]
    return f"({' AND '.join(f'({one})' for one in any_field)})"


def _part(word: str) -> str:
    escaped = word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"
