"""A model that is trained on a generated data set, and what it answers."""

import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from generated import examples_of

from classification_service.classify.classifier import Classifier
from classification_service.classify.labelled import Known, Label, LabelledExamples, LabelVector
from classification_service.classify.models import Classification
from classification_service.classify.schemas import ClassifyRequest
from classification_service.classify.service import ClassificationService
from classification_service.encoder.encoder import SentenceEncoder
from classification_service.encoder.int8_backend import quantise
from classification_service.ensemble.errors import ModelFolderError
from classification_service.ensemble.model import Added
from classification_service.ensemble.opening import OpenedModel, open_model
from classification_service.taxonomies.models import Taxonomy
from classification_service.taxonomies.service import Taxonomies
from classification_service.training.dataset import Example
from classification_service.training.evaluation import evaluate
from classification_service.training.service import Fitted, fit

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="torch is only in the image classification-trainer"
)
DRILL, HAMMER = "27112703", "27111602"


@pytest.fixture(scope="module")
def unspsc(taxonomies: Taxonomies) -> Taxonomy:
    return taxonomies.get("unspsc")


@pytest.fixture(scope="module")
def fitted(unspsc: Taxonomy, classifier: Classifier) -> Fitted:
    labelled = [one for one in examples_of(unspsc, "commodity", each=6) if one.code != DRILL]
    few = set(
        sorted({one.code for one in labelled})[::3]
    )  # codes with one name, which is new to the model when it learns
    examples = [one for one in labelled if one.code not in few or one.text.endswith(" 0")]
    return fit(unspsc, examples, seed=1, encoders=classifier.encoders, titles=classifier.titles(unspsc))


def opened(fitted: Fitted, folder: Path, taxonomy: Taxonomy) -> OpenedModel:
    for name, content in fitted.files.items():
        (folder / name).write_bytes(content)
    return open_model(folder, taxonomy)


@pytest.fixture(scope="module")
def model(fitted: Fitted, unspsc: Taxonomy, tmp_path_factory: pytest.TempPathFactory) -> OpenedModel:
    return opened(fitted, tmp_path_factory.mktemp("model"), unspsc)


@pytest.fixture
def trained(encoder: SentenceEncoder, taxonomies: Taxonomies, unspsc: Taxonomy, model: OpenedModel) -> Classifier:
    found = Classifier(encoder, taxonomies)
    found.use(unspsc, model)
    return found


def labels(encoder: SentenceEncoder, taxonomy: Taxonomy, *examples: Example) -> LabelledExamples:
    values, scales = quantise(encoder.encode([one.text for one in examples]))
    found = [
        Label(one.text, taxonomy.get(one.code), {encoder.name: LabelVector(float(scale), value.tobytes())})
        for one, value, scale in zip(examples, values, scales, strict=True)
    ]
    return LabelledExamples(found)


def test_the_report_says_how_good_the_model_is_at_each_level(fitted: Fitted) -> None:
    levels = fitted.report["levels"]
    assert list(levels) == ["segment", "family", "class", "commodity"]
    for found in levels.values():
        assert 0 < found["rows"] <= fitted.report["rows"]
        assert found["accuracy"] > 0.8
        assert found["calibration_error"] < 0.05
        assert found["precision_at_95"] is None or found["precision_at_95"] >= 0.95
    assert levels["commodity"]["accuracy_at_5"] >= levels["commodity"]["accuracy"]
    assert all(wanted != given and count > 0 for wanted, given, count in fitted.report["confusion"])


def test_texts_that_were_not_learned_are_answered_as_well_as_the_report_says(
    fitted: Fitted, model: OpenedModel, unspsc: Taxonomy, classifier: Classifier
) -> None:
    others = [one for one in examples_of(unspsc, "commodity", each=3, seed=2) if one.code != DRILL]
    found = evaluate(unspsc, model, classifier.encoders, classifier.titles(unspsc), others)
    for level, figures in found["levels"].items():
        assert figures["accuracy"] > fitted.report["levels"][level]["accuracy"] - 0.1
        assert figures["calibration_error"] < 0.1
        assert figures["precision_at_95"] is None or figures["precision_at_95"] >= 0.93


def test_confidence_falls_from_the_root_down_and_candidates_add_up_to_one_at_most(
    trained: Classifier, model: OpenedModel, unspsc: Taxonomy
) -> None:
    texts = ["claw hammer", "something for the office", "x", "laser printer " * 5000, "ß-Ø 12\u200b%"]
    for ranked in model.model.rank(trained.titles(unspsc), trained.encoders.embed(texts)):
        for position, total in ranked.totals.items():
            above = int(unspsc.parents[position])
            assert 0 <= total <= ranked.totals.get(above, 1)
        assert list(ranked.own) == sorted(ranked.own, reverse=True)
        assert sum(ranked.own) <= 1.0001
        assert len(set(ranked.positions.tolist())) == len(ranked.positions)
    answers = trained.classify(unspsc, texts, 5)
    assert answers[0].path[-1].code == HAMMER
    assert answers[0].candidates[0].confidence == answers[0].confidence
    assert [len(answer.candidates) for answer in answers] == [5] * 5


def test_answers_do_not_depend_on_the_texts_beside(trained: Classifier, unspsc: Taxonomy) -> None:
    texts = ["cordless screwdriver", "A4 paper", "desk lamp for the office, black"]
    together = trained.classify(unspsc, texts, 3)
    alone = [trained.classify(unspsc, [text], 3)[0] for text in texts]
    assert [codes(answer) for answer in together] == [codes(answer) for answer in alone]


def codes(answer: Classification) -> list[str]:
    return [candidate.node.code for candidate in answer.candidates]


def test_a_code_without_examples_is_found_by_its_title(trained: Classifier, unspsc: Taxonomy) -> None:
    title = unspsc.nodes[unspsc.get(DRILL)].title
    assert DRILL in codes(trained.classify(unspsc, [title], 3)[0])


def test_a_correction_counts_beside_the_model(trained: Classifier, unspsc: Taxonomy, encoder: SentenceEncoder) -> None:
    text = "qx-77 thingamajig with bracket"
    before = trained.classify(unspsc, [text], 5)[0]
    corrected = labels(encoder, unspsc, Example("qx-77 thingamajig", DRILL), Example("qx-78 thingamajig", DRILL))
    after = trained.classify(unspsc, [text], 5, corrected)[0]
    with_neighbours = trained.classify(unspsc, [text], 5, corrected, neighbours=True)[0]
    assert codes(before)[0] != DRILL
    assert codes(after)[0] == DRILL
    assert [near.node.code for near in with_neighbours.neighbours] == [DRILL, DRILL]
    assert replace(with_neighbours, neighbours=[]) == after
    assert trained.classify(unspsc, [text], 5)[0] == before


def test_a_correction_takes_the_place_of_the_example_with_the_same_text(
    trained: Classifier, model: OpenedModel, unspsc: Taxonomy, encoder: SentenceEncoder
) -> None:
    learned = examples_of(unspsc, "commodity", each=6)[0]
    other = next(node.code for node in unspsc.nodes if node.level == "commodity" and node.code[:2] != learned.code[:2])
    corrected = labels(encoder, unspsc, Example(learned.text.upper(), other))
    assert trained.classify(unspsc, [learned.text], 1)[0].node.code == learned.code
    added = Added(model.model, corrected.texts, corrected.positions)
    keys = model.model.parts.example_positions[added.superseded]
    assert set(keys.tolist()) == {unspsc.get(learned.code)}
    answer = trained.classify(unspsc, [learned.text], 3, corrected)[0]
    assert answer.path[-1].code == other
    assert codes(answer)[0] == other


def test_labels_that_the_model_learned_count_once(
    trained: Classifier, model: OpenedModel, unspsc: Taxonomy, encoder: SentenceEncoder
) -> None:
    learned = [one for one in examples_of(unspsc, "commodity", each=6) if one.code != DRILL][::6]
    same = labels(encoder, unspsc, *learned)
    assert Added(model.model, same.texts, same.positions).places.tolist() == []
    texts = [f"{one.text} xl" for one in learned[:20]]
    assert trained.classify(unspsc, texts, 5, same) == trained.classify(unspsc, texts, 5)


def test_model_and_titles_have_versions_of_their_own(
    trained: Classifier, classifier: Classifier, model: OpenedModel, unspsc: Taxonomy, taxonomies: Taxonomies
) -> None:
    assert classifier.model_version(unspsc) == "all-minilm-l6-v2+unspsc-starter-1"
    assert trained.model_version(unspsc) == f"{model.id}+unspsc-starter-1"
    assert trained.model_version(taxonomies.get("etim")) == "all-minilm-l6-v2+etim-starter-1"
    before = trained.chosen(unspsc)
    trained.use(unspsc, None)
    assert trained.model_version(unspsc) == classifier.model_version(unspsc)
    texts = ["claw hammer for roofs"]
    assert trained.classify(unspsc, texts, 3) == classifier.classify(unspsc, texts, 3)
    assert trained.classify(unspsc, texts, 3, chosen=before) != trained.classify(unspsc, texts, 3)


def test_a_model_of_another_encoder_is_not_used(
    encoder: SentenceEncoder, taxonomies: Taxonomies, unspsc: Taxonomy, model: OpenedModel
) -> None:
    other = Classifier(encoder, taxonomies)
    other.encoder.name, name = "another", other.encoder.name
    try:
        with pytest.raises(ModelFolderError) as refused:
            other.use(unspsc, model)
    finally:
        other.encoder.name = name
    assert str(refused.value) == (
        f"The model {model.id} was trained with the encoders all-minilm-l6-v2 and use-multilingual-v3, and this service has "
        "another and use-multilingual-v3. Train a model with these."
    )


class _Kept:
    """A cache in memory."""

    def __init__(self) -> None:
        self._values: dict[str, str] = {}

    async def find(self, keys: Sequence[str]) -> list[str | None]:
        return [self._values.get(key) for key in keys]

    async def keep(self, values: Mapping[str, str]) -> None:
        self._values.update(values)

    async def count(self, hits: int, misses: int) -> None:
        pass


class _NoLabels:
    async def current(self, taxonomy: Taxonomy, tenant: str | None) -> Known:  # noqa: ARG002  as Labels has it
        return Known(1)


async def test_cached_answers_are_those_of_the_model_that_is_used(
    trained: Classifier, model: OpenedModel, unspsc: Taxonomy, taxonomies: Taxonomies
) -> None:
    service = ClassificationService(trained, taxonomies, cache=_Kept(), labels=_NoLabels())
    request = ClassifyRequest(items=[{"text": "claw hammer"}], taxonomy="unspsc")
    found = []
    for used in (model, None, model, None):
        trained.use(unspsc, used)
        item = (await service.classify(request)).items[0]
        found.append((item.source, item.model_version))
    by_model, by_titles = f"{model.id}+unspsc-starter-1", "all-minilm-l6-v2+unspsc-starter-1"
    assert found == [("model", by_model), ("model", by_titles), ("cache", by_model), ("cache", by_titles)]


@pytest.mark.parametrize("level", ["segment", "class"])
def test_levels_without_labels_are_left_to_the_titles(
    level: str, tmp_path: Path, unspsc: Taxonomy, encoder: SentenceEncoder, classifier: Classifier
) -> None:
    examples = examples_of(unspsc, level, each=2)[:60]
    found = fit(unspsc, examples, seed=1, encoders=classifier.encoders, titles=classifier.titles(unspsc))
    deeper = list(found.report["levels"])[list(found.report["levels"]).index(level) + 1]
    assert found.report["levels"][deeper]["rows"] == 0
    assert found.report["levels"][deeper]["accuracy"] is None
    use = Classifier(encoder, Taxonomies([unspsc]))
    use.use(unspsc, opened(found, tmp_path, unspsc))
    assert HAMMER in codes(use.classify(unspsc, ["claw hammer"], 20)[0])


def test_one_label_is_enough_to_answer(
    tmp_path: Path, unspsc: Taxonomy, encoder: SentenceEncoder, classifier: Classifier
) -> None:
    examples = [Example(f"drill number {number}", DRILL) for number in range(12)]
    found = fit(unspsc, examples, seed=1, encoders=classifier.encoders, titles=classifier.titles(unspsc))
    use = Classifier(encoder, Taxonomies([unspsc]))
    use.use(unspsc, opened(found, tmp_path, unspsc))
    answer = use.classify(unspsc, ["drill number 99"], 3)[0]
    assert answer.node.code == DRILL
    assert np.isfinite(answer.confidence)
