"""The imported taxonomies in PostgreSQL."""

import json
from collections.abc import Iterator, Mapping, Sequence

import asyncpg

from classification_service.encoder.encoders import EncoderNames
from classification_service.taxonomies.importers.records import ClassFeatureRecord, NodeRecord, Record, TermRecord
from classification_service.taxonomies.models import (
    Chunk,
    ClassFeature,
    CodeChange,
    CodeDetails,
    CodeFate,
    FoundCode,
    NewVersion,
    PackedRow,
    StoredVersion,
    Term,
)
from classification_service.taxonomies.search import SearchPlace, SearchQuery

_COPY_SECONDS = 120.0
_NODES = ("taxonomy_id", "position", "code", "level", "parent", "title", "definition", "synonyms")
_TERMS = ("taxonomy_id", "code", "title", "kind")
_CLASS_FEATURES = ("taxonomy_id", "class", "position", "feature", "kind", "unit", "values")


async def lock_imports(connection: asyncpg.Connection) -> bool:
    """Become the only import until the transaction ends; returns whether no other one runs."""
    return bool(await connection.fetchval(_LOCK))


_LOCK = "SELECT pg_try_advisory_xact_lock(hashtext('import ' || current_schema()))"


async def create(connection: asyncpg.Connection, new: NewVersion, source: str, imported_by: str) -> int | None:
    """Begin a version; returns its id, None where the version is there already."""
    created: int | None = await connection.fetchval(_CREATE, new.name, new.version, new.language, source, imported_by)
    return created


_CREATE = """
INSERT INTO taxonomies (name, version, language, source, imported_by) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (name, version) DO NOTHING RETURNING id
"""


async def add(connection: asyncpg.Connection, taxonomy: int, first: int, records: Sequence[Record]) -> int:
    """Write records of a version, its codes from position `first` on; returns the next position."""
    nodes = [record for record in records if isinstance(record, NodeRecord)]
    rows = [
        (taxonomy, position, node.code, node.level, node.parent, node.title, node.definition, "\n".join(node.synonyms))
        for position, node in enumerate(nodes, first)
    ]
    await _copy(connection, "taxonomy_nodes", _NODES, rows)
    await _copy(connection, "etim_terms", _TERMS, [_term(taxonomy, r) for r in records if isinstance(r, TermRecord)])
    features = [_class_feature(taxonomy, record) for record in records if isinstance(record, ClassFeatureRecord)]
    await _copy(connection, "etim_class_features", _CLASS_FEATURES, features)
    return first + len(nodes)


def _term(taxonomy: int, term: TermRecord) -> tuple[object, ...]:
    return (taxonomy, term.code, term.title, term.kind)


def _class_feature(taxonomy: int, item: ClassFeatureRecord) -> tuple[object, ...]:
    return (taxonomy, item.class_code, item.position, item.feature, item.kind, item.unit, list(item.values))


async def _copy(
    connection: asyncpg.Connection, table: str, columns: Sequence[str], rows: Sequence[tuple[object, ...]]
) -> None:
    if rows:
        await connection.copy_records_to_table(table, records=rows, columns=columns, timeout=_COPY_SECONDS)


async def finish(connection: asyncpg.Connection, taxonomy: int, levels: Mapping[str, int]) -> None:
    """Record how many codes a version has."""
    await connection.execute(_FINISH, taxonomy, sum(levels.values()), json.dumps(levels))


_FINISH = "UPDATE taxonomies SET codes = $2, levels = $3 WHERE id = $1"


async def versions(connection: asyncpg.Connection, encoders: EncoderNames) -> list[StoredVersion]:
    """All versions, in the order of their import, with how far the encoders' vectors are there."""
    rows = await connection.fetch(f"{_VERSIONS} ORDER BY id", encoders.english, encoders.multilingual)
    return [_version(row, encoders) for row in rows]


async def version(connection: asyncpg.Connection, encoders: EncoderNames, name: str, of: str) -> StoredVersion | None:
    """One version of a taxonomy."""
    query = f"{_VERSIONS} WHERE name = $3 AND version = $4"
    row = await connection.fetchrow(query, encoders.english, encoders.multilingual, name, of)
    return None if row is None else _version(row, encoders)


_EMBEDDED = """
(SELECT coalesce(sum(codes), 0)::int FROM taxonomy_vectors AS chunk
  WHERE chunk.taxonomy_id = taxonomies.id AND chunk.encoder = ${})
"""

_VERSIONS = f"""
SELECT id, key, name, version, language, source, imported_at, codes, levels,
       {_EMBEDDED.format(1)} AS embedded, {_EMBEDDED.format(2)} AS multilingual
  FROM taxonomies
"""  # noqa: S608  text of this file


def _version(row: asyncpg.Record, encoders: EncoderNames) -> StoredVersion:
    values = dict(row) | {"levels": json.loads(row["levels"])}
    if encoders.of(row["language"]) == encoders.multilingual:
        values["embedded"] = row["multilingual"]
    return StoredVersion(**values)


async def lock_version(connection: asyncpg.Connection, taxonomy: int) -> bool:
    """Keep a version from being deleted until the transaction ends; returns whether it is still there."""
    return bool(await connection.fetchval("SELECT true FROM taxonomies WHERE id = $1 FOR KEY SHARE", taxonomy))


async def delete(connection: asyncpg.Connection, of: StoredVersion) -> None:
    """Delete a version with all that belongs to it; waits for those who keep it."""
    await connection.execute("DELETE FROM taxonomies WHERE id = $1", of.id)
    for table in _TABLES_OF_A_VERSION:
        await connection.execute(f"DELETE FROM {table} WHERE taxonomy_id = $1", of.id, timeout=_COPY_SECONDS)  # noqa: S608  names of this file


_TABLES_OF_A_VERSION = ("taxonomy_nodes", "taxonomy_vectors", "etim_terms", "etim_class_features")


async def defaults(connection: asyncpg.Connection) -> dict[str, str]:
    """The version that a request means which names none, by taxonomy, where one was chosen."""
    rows = await connection.fetch("SELECT name, version FROM taxonomy_defaults")
    return {row["name"]: row["version"] for row in rows}


async def set_default(connection: asyncpg.Connection, name: str, of: str, switched_by: str) -> None:
    """Choose the version that a request means which names none."""
    await connection.execute(_SET_DEFAULT, name, of, switched_by)


_SET_DEFAULT = """
INSERT INTO taxonomy_defaults (name, version, switched_by) VALUES ($1, $2, $3)
ON CONFLICT (name) DO UPDATE SET version = EXCLUDED.version, switched_by = EXCLUDED.switched_by, switched_at = now()
"""


async def code_details(connection: asyncpg.Connection, taxonomy: int, code: str, children: int) -> CodeDetails | None:
    """A code with up to so many of its children; None where there is no such code."""
    rows = await connection.fetch(_PATH, taxonomy, code)
    if not rows:
        return None
    below = await connection.fetch(_CHILDREN, taxonomy, code, "", children)
    features = await connection.fetch(_FEATURES, taxonomy, code) if rows[-1]["level"] == "class" else []
    node = rows[-1]
    return CodeDetails(
        code=node["code"],
        level=node["level"],
        title=node["title"],
        definition=node["definition"],
        synonyms=tuple(node["synonyms"].split("\n")) if node["synonyms"] else (),
        path=[_found(row) for row in rows],
        children=[_found(row) for row in below],
        features=[_feature(row) for row in features],
    )


_PATH = """
WITH RECURSIVE path AS (
    SELECT code, level, title, parent, definition, synonyms, 0 AS height
      FROM taxonomy_nodes WHERE taxonomy_id = $1 AND code = $2
    UNION ALL
    SELECT above.code, above.level, above.title, above.parent, '', '', height + 1
      FROM path JOIN taxonomy_nodes AS above ON above.taxonomy_id = $1 AND above.code = path.parent
)
SELECT code, level, title, definition, synonyms FROM path ORDER BY height DESC
"""

_CHILDREN = """
SELECT code, level, title FROM taxonomy_nodes WHERE taxonomy_id = $1 AND parent = $2 AND code > $3 ORDER BY code LIMIT $4
"""

_ROOTS = """
SELECT code, level, title FROM taxonomy_nodes WHERE taxonomy_id = $1 AND parent IS NULL AND code > $2 ORDER BY code LIMIT $3
"""

_FEATURES = """
SELECT f.feature AS code, term.title, coalesce(f.kind, term.kind) AS kind, f.unit, unit.title AS unit_title,
       f."values", ARRAY(SELECT value.title FROM unnest(f."values") WITH ORDINALITY AS sorted (code, place)
           LEFT JOIN etim_terms AS value ON value.taxonomy_id = $1 AND value.code = sorted.code ORDER BY place) AS titles
  FROM etim_class_features AS f
  JOIN etim_terms AS term ON term.taxonomy_id = $1 AND term.code = f.feature
  LEFT JOIN etim_terms AS unit ON unit.taxonomy_id = $1 AND unit.code = f.unit
 WHERE f.taxonomy_id = $1 AND f.class = $2 ORDER BY f.position, f.feature
"""


def _found(row: asyncpg.Record) -> FoundCode:
    return FoundCode(row["code"], row["level"], row["title"])


def _feature(row: asyncpg.Record) -> ClassFeature:
    values = zip(row["values"], row["titles"], strict=True)
    return ClassFeature(
        code=row["code"],
        title=row["title"],
        kind=row["kind"],
        unit=None if row["unit"] is None else Term(code=row["unit"], title=row["unit_title"]),
        values=tuple(Term(code=code, title=title) for code, title in values),
    )


async def children(
    connection: asyncpg.Connection, taxonomy: int, parent: str | None, after: str, limit: int
) -> list[FoundCode]:
    """The codes right below one, or the roots, those after a code."""
    if parent is None:
        rows = await connection.fetch(_ROOTS, taxonomy, after, limit)
    else:
        rows = await connection.fetch(_CHILDREN, taxonomy, parent, after, limit)
    return [_found(row) for row in rows]


async def search(
    connection: asyncpg.Connection, taxonomy: int, query: SearchQuery, after: SearchPlace, limit: int
) -> list[tuple[SearchPlace, FoundCode]]:
    """The codes that a query finds, those after a place, each with its own."""
    rows = await connection.fetch(
        _SEARCH, taxonomy, query.prefix, query.words, after.rank, after.length, after.code, limit
    )
    return [(SearchPlace(row["rank"], row["length"], row["code"]), _found(row)) for row in rows]


# Codes that begin as the query does come first, then titles, the shorter ones first: they have least beside its words.
_SEARCH = """
WITH found AS (
    SELECT code, level, title, 0 AS rank, 0 AS length FROM taxonomy_nodes
     WHERE taxonomy_id = $1 AND code >= $2 AND code < $2 || chr(127) AND $2 <> ''
    UNION ALL
    SELECT code, level, title, 1, length(title) FROM taxonomy_nodes
     WHERE taxonomy_id = $1 AND to_tsvector('simple', title || E'\\n' || synonyms) @@ to_tsquery('simple', $3)
       AND NOT ($2 <> '' AND code >= $2 AND code < $2 || chr(127))
)
SELECT code, level, title, rank, length FROM found
 WHERE (rank, length, code) > ($4, $5, $6 COLLATE "C") ORDER BY rank, length, code LIMIT $7
"""


async def changes(
    connection: asyncpg.Connection, before: int, after: int, since_code: str, limit: int
) -> list[CodeChange]:
    """What changed from one version to another, by code, after a code."""
    return [_change(row) for row in await connection.fetch(_CHANGES, before, after, since_code, limit)]


async def count_changes(connection: asyncpg.Connection, before: int, after: int) -> dict[str, int]:
    """Number of codes that changed in each way; one that has another code counts once as moved."""
    row = await connection.fetchrow(_COUNT_CHANGES, before, after)
    return dict(row or {})


# A code that only one version has is moved where exactly one code that only the other version has is called the same.
_CHANGED = """
WITH before AS (SELECT code, level, title, parent FROM taxonomy_nodes WHERE taxonomy_id = $1),
after AS (SELECT code, level, title, parent FROM taxonomy_nodes WHERE taxonomy_id = $2),
changed AS (
    SELECT coalesce(before.code, after.code) AS code,
           before.code AS before_code, before.level AS before_level, before.title AS before_title, before.parent AS before_parent,
           after.code AS after_code, after.level AS after_level, after.title AS after_title, after.parent AS after_parent
      FROM before FULL JOIN after ON before.code = after.code
     WHERE before.code IS NULL OR after.code IS NULL OR before.title <> after.title
        OR before.parent IS DISTINCT FROM after.parent
),
retired AS (
    SELECT lower(before_title) AS title, min(code) AS code FROM changed WHERE after_code IS NULL
     GROUP BY 1 HAVING count(*) = 1
),
added AS (
    SELECT lower(after_title) AS title, min(code) AS code FROM changed WHERE before_code IS NULL
     GROUP BY 1 HAVING count(*) = 1
),
pairs AS (SELECT retired.code AS old, added.code AS new FROM retired JOIN added USING (title)),
result AS (
    SELECT changed.*, coalesce(gone.new, came.old) AS other,
           gone.new IS NOT NULL AS moved_away, came.old IS NOT NULL AS moved_here
      FROM changed LEFT JOIN pairs AS gone ON gone.old = changed.code AND changed.after_code IS NULL
      LEFT JOIN pairs AS came ON came.new = changed.code AND changed.before_code IS NULL
)
"""

_CHANGES = f"""
{_CHANGED} SELECT * FROM result WHERE code > $3 COLLATE "C" ORDER BY code LIMIT $4
"""  # noqa: S608  text of this file

_COUNT_CHANGES = f"""
{_CHANGED}
SELECT count(*) FILTER (WHERE before_code IS NULL AND NOT moved_here)::int AS added,
       count(*) FILTER (WHERE after_code IS NULL AND NOT moved_away)::int AS retired,
       count(*) FILTER (WHERE moved_away OR (before_code = after_code AND before_parent IS DISTINCT FROM after_parent))::int
           AS moved,
       count(*) FILTER (WHERE before_code = after_code AND before_title <> after_title)::int AS retitled
  FROM result
"""  # noqa: S608  text of this file


async def fates(connection: asyncpg.Connection, before: int, after: int, codes: Sequence[str]) -> dict[str, CodeFate]:
    """What became of codes from one version to another, by code; those that neither has are retired."""
    rows = await connection.fetch(_FATES, before, after, list(codes))
    return {row["code"]: CodeFate(**dict(row)) for row in rows}


_FATES = f"""
{_CHANGED},
new AS (SELECT after_code AS code, after_parent AS parent FROM result WHERE before_code IS NULL AND NOT moved_here)
SELECT wanted.code, coalesce(same.code, pairs.new) AS new_code,
       EXISTS (SELECT FROM new WHERE new.parent IN (same.code, same.parent)) AS near_added
  FROM unnest($3::text[]) AS wanted (code)
  LEFT JOIN pairs ON pairs.old = wanted.code
  LEFT JOIN taxonomy_nodes AS same ON same.taxonomy_id = $2 AND same.code = wanted.code
"""  # noqa: S608  text of this file


async def missing(connection: asyncpg.Connection, taxonomy: int, codes: Sequence[str]) -> set[str]:
    """Those of these codes that a version does not have."""
    rows = await connection.fetch(_MISSING, taxonomy, list(codes))
    return {row["code"] for row in rows}


_MISSING = """
SELECT code FROM unnest($2::text[]) AS wanted (code)
 WHERE NOT EXISTS (SELECT FROM taxonomy_nodes AS node WHERE node.taxonomy_id = $1 AND node.code = wanted.code)
"""


def _change(row: asyncpg.Record) -> CodeChange:
    before, after = (
        None
        if row[f"{side}_code"] is None
        else FoundCode(*(row[f"{side}_{name}"] for name in ("code", "level", "title")))
        for side in ("before", "after")
    )
    return CodeChange(
        code=row["code"],
        kinds=tuple(_kinds(row)),
        before=before,
        before_parent=row["before_parent"],
        after=after,
        after_parent=row["after_parent"],
        other=row["other"],
    )


def _kinds(row: asyncpg.Record) -> Iterator[str]:
    if row["other"] is not None:
        yield "moved"
    elif row["before_code"] is None:
        yield "added"
    elif row["after_code"] is None:
        yield "retired"
    else:
        if row["before_parent"] != row["after_parent"]:
            yield "moved"
        if row["before_title"] != row["after_title"]:
            yield "retitled"


async def claim_chunk(connection: asyncpg.Connection, of: StoredVersion, encoder: str, size: int) -> int | None:
    """The first code of a chunk without vectors that nobody else computes, until the transaction ends; None for none."""
    first: int | None = await connection.fetchval(_CLAIM, of.id, encoder, of.codes, size)
    return first


_CLAIM = """
WITH missing AS MATERIALIZED (
    SELECT first FROM generate_series(0, $3::int - 1, $4::int) AS numbers (first)
     WHERE NOT EXISTS (
         SELECT FROM taxonomy_vectors AS chunk
          WHERE chunk.taxonomy_id = $1 AND chunk.encoder = $2 AND chunk.first = numbers.first)
)
SELECT first FROM missing
 WHERE pg_try_advisory_xact_lock(hashtextextended(concat_ws('/', 'vectors', current_schema(), $1::bigint, $2::text, first), 0))
 LIMIT 1
"""


async def texts(connection: asyncpg.Connection, taxonomy: int, first: int, count: int) -> list[list[str]]:
    """The texts of consecutive codes: their titles and synonyms."""
    rows = await connection.fetch(_TEXTS, taxonomy, first, first + count)
    return [[row["title"], *(row["synonyms"].split("\n") if row["synonyms"] else ())] for row in rows]


_TEXTS = """
SELECT title, synonyms FROM taxonomy_nodes WHERE taxonomy_id = $1 AND position >= $2 AND position < $3 ORDER BY position
"""


async def store_chunk(connection: asyncpg.Connection, taxonomy: int, encoder: str, chunk: Chunk) -> None:
    """Write vectors, unless the version was deleted; those of a chunk that somebody else has written stay."""
    await connection.execute(_STORE_CHUNK, taxonomy, encoder, chunk.first, chunk.codes, chunk.scales, chunk.vectors)


_STORE_CHUNK = """
INSERT INTO taxonomy_vectors (taxonomy_id, encoder, first, codes, scales, vectors)
SELECT id, $2, $3, $4, $5, $6 FROM taxonomies WHERE id = $1 FOR KEY SHARE
ON CONFLICT DO NOTHING
"""


async def read_chunk(connection: asyncpg.Connection, taxonomy: int, encoder: str, first: int) -> Chunk | None:
    """The vectors of a chunk; None where the version was deleted."""
    row = await connection.fetchrow(_READ_CHUNK, taxonomy, encoder, first)
    return None if row is None else Chunk(**dict(row))


_READ_CHUNK = """
SELECT first, codes, scales, vectors FROM taxonomy_vectors WHERE taxonomy_id = $1 AND encoder = $2 AND first = $3
"""


async def packed_rows(connection: asyncpg.Connection, taxonomy: int, first: int, count: int) -> list[PackedRow]:
    """Consecutive codes for packing."""
    rows = await connection.fetch(_PACKED_ROWS, taxonomy, first, first + count)
    return [PackedRow(*row) for row in rows]


_PACKED_ROWS = """
SELECT code, level, coalesce(parent, ''), title,
       CASE synonyms WHEN '' THEN 1 ELSE 2 + length(synonyms) - length(replace(synonyms, E'\\n', '')) END
  FROM taxonomy_nodes WHERE taxonomy_id = $1 AND position >= $2 AND position < $3 ORDER BY position
"""
