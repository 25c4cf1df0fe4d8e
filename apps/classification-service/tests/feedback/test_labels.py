import asyncio

import pytest
from llm_setup import database_at

from classification_service.cache import bounded
from classification_service.cache.repository import start_generation
from classification_service.classify.text import text_key
from classification_service.encoder.encoder import SentenceEncoder
from classification_service.encoder.int8_backend import quantise
from classification_service.feedback import labels as labels_module
from classification_service.feedback import repository
from classification_service.feedback.labels import StoredLabels
from classification_service.feedback.models import NewLabel
from classification_service.review.models import Scope
from classification_service.taxonomies.service import Taxonomies
from nexus_chassis.errors import DatabaseUnavailableError
from nexus_chassis.unit_of_work import Database

BEARINGS, GONE = "31171504", "31999999"


async def put(database: Database, encoder: SentenceEncoder, *labels: tuple[str, str]) -> None:
    values, scales = quantise(encoder.encode([text for text, _ in labels]))
    rows = [
        NewLabel(key=text_key(text), text=text, language="en", code=code, scale=float(scale), vector=value.tobytes())
        for (text, code), value, scale in zip(labels, values, scales, strict=True)
    ]
    async with database.unit_of_work() as work:
        generation = await start_generation(work.connection, "unspsc", "starter-1")
        await repository.put_labels(
            work.connection,
            Scope("unspsc", "starter-1", ""),
            rows,
            generation=generation,
            encoder=encoder.name,
            decided_by="alice",
        )


async def test_what_is_loaded_goes_on_counting_while_postgresql_is_away(
    postgres_url: str, encoder: SentenceEncoder, taxonomies: Taxonomies, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded, "PAUSE_SECONDS", 0.2)
    taxonomy = taxonomies.get("unspsc")
    async with database_at(postgres_url) as database:
        stored = StoredLabels(database, encoder)
        await put(database, encoder, ("widget", BEARINGS))
        before = await stored.current(taxonomy, None)
        assert before.generation == 1
        with monkeypatch.context() as patch:

            def away(**_: object) -> None:
                raise DatabaseUnavailableError("away")

            patch.setattr(database, "read", away)
            during = await stored.current(taxonomy, None)
        paused = await stored.current(taxonomy, None)
        await asyncio.sleep(0.3)
        after = await stored.current(taxonomy, None)
    assert [known.generation for known in (during, paused, after)] == [None, None, 1]
    for known in (during, paused, after):
        assert known.examples is not None
        assert known.examples.decided("Widget") == taxonomy.get(BEARINGS)


async def test_labels_are_loaded_in_pages_and_those_of_unknown_codes_are_left_out(
    postgres_url: str, encoder: SentenceEncoder, taxonomies: Taxonomies, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(labels_module, "_PAGE", 2)
    taxonomy = taxonomies.get("unspsc")
    async with database_at(postgres_url) as database:
        stored = StoredLabels(database, encoder)
        await put(database, encoder, *((f"widget {number}", BEARINGS) for number in range(5)))
        await put(database, encoder, ("gadget", GONE))
        known = await stored.current(taxonomy, None)
        await put(database, encoder, ("widget 0", GONE))
        later = await stored.current(taxonomy, None)
    assert known.examples is not None
    assert later.examples is not None
    texts = [*(f"widget {number}" for number in range(5)), "gadget"]
    place = taxonomy.get(BEARINGS)
    assert [known.examples.decided(text) for text in texts] == [place] * 5 + [None]
    assert [later.examples.decided(text) for text in texts] == [None] + [place] * 4 + [None]
