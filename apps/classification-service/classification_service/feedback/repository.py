"""Labels and decisions in PostgreSQL."""

from collections.abc import Mapping, Sequence

import asyncpg

from classification_service.classify.labelled import LabelVector
from classification_service.encoder.encoders import EncoderNames
from classification_service.feedback.models import (
    Bucket,
    Decision,
    Group,
    NewLabel,
    StoredDecision,
    StoredLabel,
    Suggestion,
)
from classification_service.review.models import Scope


async def earlier(connection: asyncpg.Connection, scope: Scope, keys: Sequence[bytes]) -> dict[bytes, tuple[str, str]]:
    """The codes that texts have already, and who chose them, by the keys of the texts."""
    rows = await connection.fetch(_EARLIER, *scope, list(keys))
    return {row["key"]: (row["code"], row["decided_by"]) for row in rows}


_EARLIER = """
SELECT key, code, decided_by FROM labels WHERE taxonomy = $1 AND version = $2 AND tenant = $3 AND key = ANY($4::bytea[])
"""


async def put_labels(
    connection: asyncpg.Connection,
    scope: Scope,
    labels: Sequence[NewLabel],
    *,
    generation: int,
    encoders: EncoderNames,
    decided_by: str,
) -> None:
    """Write labels whose keys differ, in place of those of the same texts."""
    first = [label.vectors[encoders.english] for label in labels]
    multilingual = [label.vectors[encoders.multilingual] for label in labels]
    await connection.execute(
        _PUT_LABELS,
        *scope,
        generation,
        encoders.english,
        decided_by,
        [label.key for label in labels],
        [label.text for label in labels],
        [label.language for label in labels],
        [label.code for label in labels],
        [one.scale for one in first],
        [one.vector for one in first],
        [one.scale for one in multilingual],
        [one.vector for one in multilingual],
        encoders.multilingual,
    )


_PUT_LABELS = """
INSERT INTO labels
    (taxonomy, version, tenant, generation, encoder, decided_by, multilingual_encoder,
     key, text, language, code, scale, vector, multilingual_scale, multilingual_vector)
SELECT $1, $2, $3, $4, $5, $6, $15, new.*
  FROM unnest(
      $7::bytea[], $8::text[], $9::text[], $10::text[], $11::real[], $12::bytea[], $13::real[], $14::bytea[]) AS new
ON CONFLICT (taxonomy, version, tenant, key) DO UPDATE
   SET generation = EXCLUDED.generation, encoder = EXCLUDED.encoder, decided_by = EXCLUDED.decided_by,
       text = EXCLUDED.text, language = EXCLUDED.language, code = EXCLUDED.code, scale = EXCLUDED.scale,
       vector = EXCLUDED.vector, multilingual_encoder = EXCLUDED.multilingual_encoder,
       multilingual_scale = EXCLUDED.multilingual_scale, multilingual_vector = EXCLUDED.multilingual_vector,
       decided_at = now()
"""


async def labels_after(
    connection: asyncpg.Connection, scope: Scope, generation: int, key: bytes, limit: int
) -> list[StoredLabel]:
    """Labels in the order of their generations and keys, those after one."""
    return [_label(row) for row in await connection.fetch(_LABELS, *scope, generation, key, limit)]


def _label(row: asyncpg.Record) -> StoredLabel:
    vectors = {row["encoder"]: LabelVector(row["scale"], row["vector"])}
    if row["multilingual_encoder"]:
        multilingual = LabelVector(row["multilingual_scale"], row["multilingual_vector"])
        vectors[row["multilingual_encoder"]] = multilingual
    return StoredLabel(
        key=row["key"], text=row["text"], code=row["code"], generation=row["generation"], vectors=vectors
    )


_LABELS = """
SELECT key, text, code, generation, encoder, scale, vector, multilingual_encoder, multilingual_scale, multilingual_vector
  FROM labels
 WHERE taxonomy = $1 AND version = $2 AND tenant = $3 AND (generation, key) > ($4, $5)
 ORDER BY generation, key LIMIT $6
"""


async def label_codes(connection: asyncpg.Connection, scope: Scope) -> list[str]:
    """The codes that labels have."""
    rows = await connection.fetch(_LABEL_CODES, *scope)
    return [row["code"] for row in rows]


_LABEL_CODES = "SELECT DISTINCT code FROM labels WHERE taxonomy = $1 AND version = $2 AND tenant = $3"


async def carry_labels(
    connection: asyncpg.Connection, scope: Scope, version: str, codes: Mapping[str, str], generation: int
) -> int:
    """Copy the labels with these codes to another version, with the codes there; returns how many texts had none there."""
    status: str = await connection.execute(_CARRY, *scope, version, generation, list(codes), list(codes.values()))
    return int(status.rpartition(" ")[2])


_CARRY = """
INSERT INTO labels
    (taxonomy, version, tenant, key, text, language, code, generation, encoder, scale, vector,
     multilingual_encoder, multilingual_scale, multilingual_vector, decided_by, decided_at)
SELECT taxonomy, $4, tenant, key, text, language, map.new, $5, encoder, scale, vector,
       multilingual_encoder, multilingual_scale, multilingual_vector, decided_by, decided_at
  FROM labels JOIN unnest($6::text[], $7::text[]) AS map (old, new) ON map.old = labels.code
 WHERE taxonomy = $1 AND version = $2 AND tenant = $3
ON CONFLICT DO NOTHING
"""


async def labelled_texts(
    connection: asyncpg.Connection, scope: Scope, codes: Sequence[str], after: bytes, limit: int
) -> list[tuple[bytes, str, str]]:
    """Key, text and language of labels with these codes, those after a key."""
    return [tuple(row) for row in await connection.fetch(_LABELLED_TEXTS, *scope, list(codes), after, limit)]


_LABELLED_TEXTS = """
SELECT key, text, language FROM labels
 WHERE taxonomy = $1 AND version = $2 AND tenant = $3 AND code = ANY($4::text[]) AND key > $5 ORDER BY key LIMIT $6
"""


async def add_decisions(
    connection: asyncpg.Connection, scope: Scope, decisions: Sequence[Decision], decided_by: str
) -> None:
    """Record who decided what."""
    rows = [(*scope, decided_by, *_columns(decision)) for decision in decisions]
    await connection.executemany(_ADD_DECISION, rows)


def _columns(decision: Decision) -> tuple[object, ...]:
    suggestion = decision.suggestion
    return (
        decision.item_id,
        decision.text,
        decision.language,
        decision.code,
        decision.level,
        suggestion.code,
        suggestion.level,
        suggestion.confidence,
        suggestion.source,
        suggestion.by,
        suggestion.model_version,
        decision.agreed_level,
    )


_ADD_DECISION = """
INSERT INTO decisions (
    taxonomy, version, tenant, decided_by, item_id, text, language, code, level, suggested_code, suggested_level,
    suggested_confidence, suggested_source, suggested_by, model_version, agreed_level
) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
"""


async def decisions_before(
    connection: asyncpg.Connection, scope: Scope, decided_by: str | None, before: int, limit: int
) -> list[StoredDecision]:
    """Decisions, the latest first, those before one; of all people where `decided_by` is None."""
    return [_decision(row) for row in await connection.fetch(_DECISIONS, *scope, decided_by, before, limit)]


_DECISIONS = """
SELECT * FROM decisions
 WHERE taxonomy = $1 AND version = $2 AND tenant = $3 AND ($4::text IS NULL OR decided_by = $4) AND id < $5
 ORDER BY id DESC LIMIT $6
"""


def _decision(row: asyncpg.Record) -> StoredDecision:
    suggestion = Suggestion(
        code=row["suggested_code"],
        level=row["suggested_level"],
        confidence=row["suggested_confidence"],
        source=row["suggested_source"],
        model_version=row["model_version"],
        by=row["suggested_by"],
    )
    decision = Decision(
        item_id=row["item_id"],
        text=row["text"],
        language=row["language"],
        code=row["code"],
        level=row["level"],
        suggestion=suggestion,
        agreed_level=row["agreed_level"],
    )
    return StoredDecision(id=row["id"], decision=decision, decided_by=row["decided_by"], decided_at=row["decided_at"])


async def groups(connection: asyncpg.Connection, scope: Scope, days: int) -> list[Group]:
    """The decisions of the last days, counted by who made them and how far they agree with what was suggested."""
    return [Group(**dict(row)) for row in await connection.fetch(_GROUPS, *scope, days)]


_RECENT = "taxonomy = $1 AND version = $2 AND tenant = $3 AND decided_at > now() - make_interval(days => $4)"

_GROUPS = f"""
SELECT decided_by, level, suggested_level, suggested_source,
       coalesce(suggested_by <> decided_by, false) AS of_another, agreed_level, count(*)::int AS decisions
  FROM decisions WHERE {_RECENT} GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 1, 2, 3, 4, 5, 6
"""  # noqa: S608  text of this file


async def buckets(connection: asyncpg.Connection, scope: Scope, days: int) -> list[Bucket]:
    """The decisions about what models suggested, in ten buckets of confidence; what is empty is left out."""
    return [Bucket(**dict(row)) for row in await connection.fetch(_BUCKETS, *scope, days)]


_BUCKETS = f"""
SELECT least(width_bucket(suggested_confidence, 0, 1, 10), 10) AS number, count(*)::int AS decisions,
       count(*) FILTER (WHERE agreed_level = suggested_level)::int AS right, avg(suggested_confidence) AS confidence
  FROM decisions WHERE {_RECENT} AND suggested_source <> 'human' GROUP BY 1 ORDER BY 1
"""  # noqa: S608  text of this file
