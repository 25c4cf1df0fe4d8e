import importlib.util
from pathlib import Path

import pytest
from conftest import FIXTURES
from generated import examples_of

from classification_service.classify.classifier import Classifier
from classification_service.encoder.encoder import SentenceEncoder
from classification_service.errors import ClassificationServiceError
from classification_service.taxonomies.models import Taxonomy
from classification_service.taxonomies.service import Taxonomies
from classification_service.training.dataset import Example, LabelsError, own_examples, read_examples, usable
from classification_service.training.service import fit

LABELS = FIXTURES / "labels"
needs_torch = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="torch is only in the image classification-trainer"
)


@pytest.fixture(scope="session")
def unspsc(taxonomies: Taxonomies) -> Taxonomy:
    return taxonomies.get("unspsc")


def test_the_starter_taxonomy_gives_examples_of_every_segment(unspsc: Taxonomy) -> None:
    examples = own_examples(unspsc)
    roots = {unspsc.path(unspsc.get(example.code))[0].code for example in examples}
    assert roots == {unspsc.nodes[position].code for position in unspsc.roots}
    assert len(examples) == unspsc.texts


def test_labels_are_read(unspsc: Taxonomy) -> None:
    assert read_examples(LABELS / "good" / "labels.csv", unspsc)[:2] == [
        Example("cordless drill 0", "27112703"),
        Example("claw hammer 0", "27111602"),
    ]


@pytest.mark.parametrize(
    ("failure", "message"),
    [
        ("absent", "{path} cannot be read: No such file or directory."),
        ("no-code-column", "{path} lacks the column code. It has: text, class."),
        ("no-rows", "{path} cannot be trained on: it has no rows."),
        ("not-utf8", "{path} is not in UTF-8: byte 11 is 0xe4. Save it as UTF-8."),
        (
            "bad-codes",
            (
                "{path} cannot be trained on: line 4: the text is empty; line 3: unspsc starter-1 has no code '2711'; "
                "line 5: unspsc starter-1 has no code '00112703'."
            ),
        ),
    ],
)
def test_labels_that_cannot_be_trained_on_are_refused(failure: str, message: str, unspsc: Taxonomy) -> None:
    path = LABELS / failure / "labels.csv"
    with pytest.raises(ClassificationServiceError) as refused:
        read_examples(path, unspsc)
    assert str(refused.value) == message.format(path=path)


def test_of_many_faults_the_first_are_named(tmp_path: Path, unspsc: Taxonomy) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("text,code\n" + "drill,1\n" * 100)
    with pytest.raises(LabelsError) as refused:
        read_examples(path, unspsc)
    shown = "; ".join(f"line {line}: unspsc starter-1 has no code '1'" for line in range(2, 7))
    assert str(refused.value) == f"{path} cannot be trained on: {shown}; 95 more faults."


@pytest.mark.parametrize("texts", [[], ["drill"] * 50, [""] * 50])
def test_too_few_texts_are_refused(texts: list[str], unspsc: Taxonomy) -> None:
    with pytest.raises(LabelsError) as refused:
        usable(unspsc, [Example(text, "27112703") for text in texts])
    found = len({text for text in texts if text})
    assert str(refused.value) == (
        f"A model needs 10 different labelled texts or more. There are {found} with a text and a code of unspsc starter-1, "
        f"of {len(texts)} given. Label more."
    )


def test_equal_examples_count_once_and_unknown_codes_not_at_all(unspsc: Taxonomy) -> None:
    known = [Example(f"drill {number}", "27112703") for number in range(10)]
    texts, positions = usable(unspsc, [*known, *known, Example("onion", "50000001")])
    assert texts == [example.text for example in known]
    assert positions == [unspsc.get("27112703")] * 10


@needs_torch
def test_the_same_rows_and_seed_give_the_same_files(unspsc: Taxonomy, classifier: Classifier) -> None:
    examples = examples_of(unspsc, "class", each=2)[:60]
    titles = classifier.titles(unspsc)
    shares: list[float] = []
    first = fit(unspsc, examples, seed=1, encoders=classifier.encoders, titles=titles, progress=shares.append)
    again = fit(unspsc, examples, seed=1, encoders=classifier.encoders, titles=titles)
    other = fit(unspsc, examples, seed=2, encoders=classifier.encoders, titles=titles)
    assert first.files == again.files
    assert first.files["model.safetensors"] != other.files["model.safetensors"]
    assert shares == sorted(shares)
    assert shares[-1] == 1


@needs_torch
def test_torch_answers_as_what_is_served(unspsc: Taxonomy, encoder: SentenceEncoder) -> None:
    import numpy as np  # noqa: PLC0415  beside torch
    import torch  # type: ignore[import-not-found]  # noqa: PLC0415  only the trainer image has it

    from classification_service.ensemble import tokens  # noqa: PLC0415  the same
    from classification_service.training import network  # noqa: PLC0415  the same

    texts = [example.text for example in examples_of(unspsc, "class", each=3)[:120]]
    targets = [np.arange(120) % 7, np.where(np.arange(120) % 2, network.UNKNOWN, np.arange(120) % 5)]
    positions = [np.arange(7), np.arange(5)]
    network.begin(1)
    ngrams = network.train_ngrams(tokens.ngrams(texts), targets, [7, 5])
    with torch.inference_mode():
        logits = ngrams(network.bag_of(tokens.ngrams(texts), np.arange(120)))
    served = network.ngram_heads(ngrams, positions).log_probabilities(tokens.ngrams(texts))
    for level in range(2):
        assert np.abs(served[level] - logits[level].log_softmax(1).numpy()).max() < 1e-3

    vectors, titles = encoder.encode(texts), encoder.encode(["drill", "hammer", "saw"])
    above = np.array([[0, 0, 1], [0, 2, 1]])
    learned = network.Texts(vectors, tokens.ngrams(texts), np.arange(120) % 3)
    codes = network.train_code_vectors(learned, titles, above)
    with torch.inference_mode():
        wanted = codes(torch.from_numpy(vectors), network.bag_of(learned.ngrams, np.arange(120))).softmax(1).numpy()
    found = network.code_vectors(codes, np.arange(3)).probabilities(vectors, learned.ngrams)
    assert np.abs(found - wanted).max() < 1e-3
    assert (found.argmax(axis=1) == learned.targets).mean() > 0.5
