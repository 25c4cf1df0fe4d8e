"""The features of ETIM's classes in PostgreSQL."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import asyncpg

from classification_service.taxonomies.models import ClassFeature, Term

_SECONDS = 30.0


async def class_features(
    connection: asyncpg.Connection, key: str, classes: Sequence[str]
) -> Mapping[str, Sequence[ClassFeature]]:
    """The features of classes of the imported version with that key, in their order; classes without features are left out.

    Values without a title are left out: nothing can be read for them.
    """
    rows = await connection.fetch(_CLASS_FEATURES, key, list(classes), timeout=_SECONDS)
    codes = {code for row in rows for code in (row["feature"], row["unit"], *row["values"]) if code is not None}
    terms = await connection.fetch(_TERMS, key, list(codes), timeout=_SECONDS)
    known = {term["code"]: term for term in terms}
    found: defaultdict[str, list[ClassFeature]] = defaultdict(list)
    for row in rows:
        if row["feature"] in known:
            found[row["class"]].append(_feature(row, known))
    return found


_CLASS_FEATURES = """
SELECT own.class, own.feature, own.kind, own.unit, own."values"
  FROM taxonomies AS taxonomy JOIN etim_class_features AS own ON own.taxonomy_id = taxonomy.id
 WHERE taxonomy.key = $1::uuid AND own.class = ANY ($2::text[])
 ORDER BY own.class, own.position, own.feature
"""

_TERMS = """
SELECT term.code, term.title, term.kind
  FROM taxonomies AS taxonomy JOIN etim_terms AS term ON term.taxonomy_id = taxonomy.id
 WHERE taxonomy.key = $1::uuid AND term.code = ANY ($2::text[])
"""


def _feature(row: asyncpg.Record, known: Mapping[str, asyncpg.Record]) -> ClassFeature:
    return ClassFeature(
        code=row["feature"],
        title=known[row["feature"]]["title"],
        kind=row["kind"] or known[row["feature"]]["kind"],
        unit=None if row["unit"] is None else _term(row["unit"], known) or Term(code=row["unit"], title=row["unit"]),
        values=tuple(term for code in row["values"] if (term := _term(code, known)) is not None),
    )


def _term(code: str, known: Mapping[str, asyncpg.Record]) -> Term | None:
    return Term(code=code, title=known[code]["title"]) if code in known else None
