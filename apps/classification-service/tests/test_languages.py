"""Texts of other languages than English."""

import csv
from pathlib import Path

import aiohttp
import pytest
from conftest import FIXTURES, client_of
from test_classify import classify

from classification_service.classify.classifier import Classifier
from classification_service.classify.index import load_multilingual_vectors, load_vectors
from classification_service.encoder.encoder import SentenceEncoder
from classification_service.encoder.multilingual.encoder import MultilingualEncoder
from classification_service.ensemble.titles import FullVectors
from classification_service.taxonomies.models import Taxonomy
from classification_service.taxonomies.service import Taxonomies
from classification_service.taxonomies.starters import read_starter
from nexus_testkit.issuer import Issuer


async def test_each_language_has_its_model(client: aiohttp.ClientSession) -> None:
    items = [
        {"text": "Schutzhelm gelb", "language": "de-AT"},
        {"text": "hard hat, yellow", "language": "en-GB"},
        {"text": "extincteur à poudre", "language": "FR"},
        {"text": "suojakypärä", "language": "fi"},
        {"text": "hard hat, yellow"},
    ]
    _, answer = await classify(client, items)
    found = answer["items"]
    assert [item["code"][:2] for item in found[:3]] == ["46", "46", "46"]
    english, multilingual = "all-minilm-l6-v2+unspsc-starter-1", "use-multilingual-v3+unspsc-starter-1"
    assert [item["model_version"] for item in found] == [multilingual, english, multilingual, multilingual, english]
    assert [item["warnings"] for item in found] == [
        [],
        [],
        [],
        ["The model was not trained on 'fi'; the text was classified as it stands."],
        [],
    ]


def test_texts_are_classified_by_the_other_model_until_there_are_vectors(encoder: SentenceEncoder) -> None:
    taxonomy = Taxonomy.of_file(read_starter("unspsc"))
    classifier = Classifier(encoder, Taxonomies([]))
    classifier.add(taxonomy, FullVectors(load_vectors(taxonomy, encoder)), encoder.name)
    assert classifier.model_version(taxonomy, "es") == "all-minilm-l6-v2+unspsc-starter-1"
    assert classifier.warnings(taxonomy, "en") == []
    (warning,) = classifier.warnings(taxonomy, "es")
    assert warning == (
        "The vectors for texts in other languages than English are not computed yet; "
        "the text in 'es' was classified by the model for English."
    )
    vectors = FullVectors(load_multilingual_vectors(taxonomy))
    classifier.add(taxonomy, vectors, classifier.encoders.multilingual.name)
    assert classifier.model_version(taxonomy, "es") == "use-multilingual-v3+unspsc-starter-1"
    assert (classifier.warnings(taxonomy, "en"), classifier.warnings(taxonomy, "es")) == ([], [])


async def test_an_encoder_that_cannot_be_opened_fails_texts_of_other_languages_alone(
    issuer: Issuer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("classification_service.classify.classifier.MultilingualEncoder", MultilingualEncoder)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "absent"))
    async with client_of(issuer, "classify") as client:
        status, answer = await classify(client, [{"text": "Hammer", "language": "de"}])
        assert (status, answer["type"]) == (503, "urn:nexus:problem:encoder-unavailable")
        assert answer["detail"] == (
            f"The multilingual encoder takes 80 MB under {tmp_path / 'absent'}, and cannot be written there: "
            "No such file or directory. Give it more room."
        )
        status, answer = await classify(client, [{"text": "Hammer"}])
        assert (status, answer["items"][0]["code"][:2]) == (200, "27")


@pytest.mark.parametrize("language", ["de", "fr"])
def test_german_and_french_names_find_their_segments(
    classifier: Classifier, taxonomies: Taxonomies, language: str
) -> None:
    """Far more often than by the model for English; the figures are in the README."""
    taxonomy = taxonomies.get("unspsc")
    with (FIXTURES / "languages" / f"{language}.csv").open(encoding="utf-8", newline="") as file:
        rows = [(row["text"], row["code"]) for row in csv.DictReader(file)]
    texts = [text for text, _ in rows]

    def share(languages: list[str] | None) -> float:
        answers = classifier.classify(taxonomy, texts, 1, languages=languages)
        right = [answer.path[0].code[:2] == code[:2] for answer, (_, code) in zip(answers, rows, strict=True)]
        return sum(right) / len(right)

    alone, multilingual = share(None), share([language] * len(texts))
    assert (multilingual > 0.6, multilingual > alone + 0.2) == (True, True), (alone, multilingual)
