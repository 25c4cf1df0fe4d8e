import asyncio

import pytest
from llm_setup import database_at

from classification_service.cache import bounded
from classification_service.cache.repository import start_generation
from classification_service.classify.classifier import Classifier
from classification_service.classify.labelled import LabelVector
from classification_service.classify.text import text_key
from classification_service.encoder.encoders import Encoders
from classification_service.encoder.int8_backend import quantise
from classification_service.encoder.text_encoder import TextEncoder
from classification_service.feedback import labels as labels_module
from classification_service.feedback import repository
from classification_service.feedback.labels import StoredLabels
from classification_service.feedback.models import NewLabel
from classification_service.review.models import Scope
from classification_service.taxonomies.service import Taxonomies
from nexus_chassis.errors import DatabaseUnavailableError
from nexus_chassis.unit_of_work import Database

BEARINGS, GONE = "31171504", "31999999"


def vectors_of(encoder: TextEncoder, texts: list[str]) -> list[LabelVector]:
    values, scales = quantise(encoder.encode(texts))
    return [LabelVector(float(scale), value.tobytes()) for value, scale in zip(values, scales, strict=True)]


async def put(database: Database, encoders: Encoders, *labels: tuple[str, str]) -> None:
    texts = [text for text, _ in labels]
    vectors = {one.name: vectors_of(one, texts) for one in encoders.all()}
    rows = [
        NewLabel(
            key=text_key(text),
            text=text,
            language="en",
            code=code,
            vectors={name: found[row] for name, found in vectors.items()},
        )
        for row, (text, code) in enumerate(labels)
    ]
    async with database.unit_of_work() as work:
        generation = await start_generation(work.connection, "unspsc", "starter-1")
        await repository.put_labels(
            work.connection,
            Scope("unspsc", "starter-1", ""),
            rows,
            generation=generation,
            encoders=encoders.names,
            decided_by="alice",
        )


async def test_what_is_loaded_goes_on_counting_while_postgresql_is_away(
    postgres_url: str, encoders: Encoders, taxonomies: Taxonomies, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded, "PAUSE_SECONDS", 1)
    taxonomy = taxonomies.get("unspsc")
    async with database_at(postgres_url) as database:
        stored = StoredLabels(database, encoders)
        await put(database, encoders, ("widget", BEARINGS))
        before = await stored.current(taxonomy, None)
        assert before.generation == 1
        with monkeypatch.context() as patch:

            def away(**_: object) -> None:
                raise DatabaseUnavailableError("away")

            patch.setattr(database, "read", away)
            during = await stored.current(taxonomy, None)
        paused = await stored.current(taxonomy, None)
        await asyncio.sleep(1.1)
        after = await stored.current(taxonomy, None)
    assert [known.generation for known in (during, paused, after)] == [None, None, 1]
    for known in (during, paused, after):
        assert known.examples is not None
        assert known.examples.decided("Widget") == taxonomy.get(BEARINGS)


async def test_labels_are_loaded_in_pages_and_those_of_unknown_codes_are_left_out(
    postgres_url: str, encoders: Encoders, taxonomies: Taxonomies, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(labels_module, "_PAGE", 2)
    taxonomy = taxonomies.get("unspsc")
    async with database_at(postgres_url) as database:
        stored = StoredLabels(database, encoders)
        await put(database, encoders, *((f"widget {number}", BEARINGS) for number in range(5)))
        await put(database, encoders, ("gadget", GONE))
        known = await stored.current(taxonomy, None)
        await put(database, encoders, ("widget 0", GONE))
        later = await stored.current(taxonomy, None)
    assert known.examples is not None
    assert later.examples is not None
    texts = [*(f"widget {number}" for number in range(5)), "gadget"]
    place = taxonomy.get(BEARINGS)
    assert [known.examples.decided(text) for text in texts] == [place] * 5 + [None]
    assert [later.examples.decided(text) for text in texts] == [None] + [place] * 4 + [None]


async def test_labels_of_before_get_their_multilingual_vectors_with_the_first_text_that_needs_them(
    postgres_url: str, encoders: Encoders, classifier: Classifier, taxonomies: Taxonomies
) -> None:
    taxonomy = taxonomies.get("unspsc")
    async with database_at(postgres_url) as database:
        await put(database, encoders, ("Flurbelzoid", BEARINGS))
        async with database.unit_of_work() as work:
            await work.connection.execute(
                "UPDATE labels SET multilingual_encoder = '', multilingual_scale = 0, multilingual_vector = ''"
            )
        known = await StoredLabels(database, encoders).current(taxonomy, None)
    assert known.examples is not None
    for language in ("en", "de"):
        (answer,) = classifier.classify(taxonomy, ["flurbelzoid rot"], 1, known.examples, [language], neighbours=True)
        assert [labelled.text for labelled in answer.neighbours] == ["Flurbelzoid"], language
