"""Models in folders, without torch: what is damaged or of another taxonomy is refused, by name."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from classification_service.encoder import safetensors
from classification_service.encoder.encoders import Embedded
from classification_service.encoder.packed_vectors import PackedVectors
from classification_service.ensemble import heads
from classification_service.ensemble.arrays import Array
from classification_service.ensemble.calibration import Calibration
from classification_service.ensemble.features import feature_counts
from classification_service.ensemble.files import Description, serialise
from classification_service.ensemble.heads import CodeVectors, Head, NgramHeads
from classification_service.ensemble.model import Learned, Model, Parts, text_keys
from classification_service.ensemble.opening import open_model
from classification_service.ensemble.reranker import Reranker
from classification_service.ensemble.titles import FullVectors, Groups
from classification_service.ensemble.tree import Tree, digest
from classification_service.ensemble.words import WordIndex
from classification_service.errors import ClassificationServiceError
from classification_service.taxonomies.models import Node, Taxonomy, TaxonomyFile

DIMENSION, OTHER = 4, 5
TEXTS = ["claw hammer", "ball bearing"]


def taxonomy(title: str = "Bearings") -> Taxonomy:
    nodes = (
        Node("27000000", "segment", "Tools", None, ()),
        Node("27110000", "family", "Hand tools", "27000000", ("hammers",)),
        Node("31000000", "segment", "Components", None, ()),
        Node("31170000", "family", title, "31000000", ()),
    )
    return Taxonomy.of_file(TaxonomyFile("unspsc", "made", "made", nodes))


def array(*shape: int) -> Array:
    return np.linspace(-1, 1, int(np.prod(shape)), dtype=np.float32).reshape(shape)


def head(inputs: int, *positions: int) -> Head:
    return Head(array(len(positions), inputs), array(len(positions)), np.array(positions, np.int64))


def code_vectors(dimension: int) -> CodeVectors:
    embedding = np.zeros((heads.BUCKETS, 2), np.float16)
    return CodeVectors(array(dimension, dimension), embedding, array(dimension, 2), head(dimension, 0, 1, 3))


def files(of: Taxonomy) -> dict[str, bytes]:
    features, whole = feature_counts(2)
    shapes = {
        "mean": (features,), "spread": (features,), "hidden_weight": (3, features), "hidden_bias": (3,),
        "weight": (1, 3), "whole_mean": (whole,), "whole_spread": (whole,), "whole_hidden_weight": (2, whole),
        "whole_hidden_bias": (2,), "whole_weight": (1, 2), "whole_bias": (1,),
    }  # fmt: skip
    reranker = Reranker(**{name: np.abs(array(*shape)) + 1 for name, shape in shapes.items()})
    line = Calibration([0.0, 1.0], [0.1, 0.9])
    parts = Parts(
        learned=Learned(
            ngrams=NgramHeads(np.zeros((heads.BUCKETS, 2), np.float32), [head(2, 0, 2), head(2, 1)]),
            english=code_vectors(DIMENSION),
            multilingual=code_vectors(OTHER),
            adapter=array(DIMENSION, DIMENSION),
        ),
        reranker=reranker,
        means=array(len(Groups(Tree(of))), DIMENSION),
        title_words=WordIndex.build([node.title for node in of.nodes]),
        example_words=WordIndex.build(TEXTS),
        examples=PackedVectors.of(array(2, DIMENSION)),
        example_keys=text_keys(TEXTS),
        example_positions=np.array([1, 3], np.int64),
        calibrations=[line, line],
    )
    description = Description(
        taxonomy="unspsc", version="made", digest=digest(of), encoders={"english": DIMENSION, "other": OTHER},
        levels=["segment", "family"], calibrations=[line, line], thresholds={"segment": 0.7, "family": None},
    )  # fmt: skip
    return serialise(description, parts)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, content in files(taxonomy()).items():
        (tmp_path / name).write_bytes(content)
    return tmp_path


def test_a_model_is_opened_as_it_was_written(folder: Path) -> None:
    opened = open_model(folder, taxonomy())
    assert opened.description.thresholds == {"segment": 0.7, "family": None}
    assert opened.id == open_model(folder, taxonomy()).id
    asked = Embedded(["hammers", "zzz"], array(2, DIMENSION), array(2, OTHER))
    ranked = opened.model.rank(FullVectors(array(5, DIMENSION)), asked)
    assert [sorted(row.positions.tolist()) for row in ranked] == [[0, 1, 2, 3], [0, 1, 2, 3]]
    written = {name: (folder / name).read_bytes() for name in ("model.json", "model.safetensors")}
    assert serialise(opened.description, opened.model.parts) == written


def test_a_model_of_other_codes_is_refused(folder: Path) -> None:
    with pytest.raises(ClassificationServiceError) as refused:
        open_model(folder, taxonomy("Bushings"))
    assert str(refused.value) == (
        f"{folder} has a model for unspsc made, and the codes of unspsc made are others. Train a model for this version."
    )


def changed(folder: Path, **values: object) -> None:
    path = folder / "model.json"
    path.write_text(json.dumps(json.loads(path.read_bytes()) | values))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"format": "nexus-ngram-1"}, "{path} has the format 'nexus-ngram-1', and this service reads 'nexus-ensemble-2'. Train"),
        ({"ngrams": {"buckets": 7, "characters": 512}}, "{path} lacks what a model has, or has it in another form: ValueError"),
        ({"calibrations": [[[0, 1], [0, 2]]]}, "{path} lacks what a model has, or has it in another form: ValueError"),
        ({"calibrations": [[[1, 0], [0, 1]]]}, "{path} lacks what a model has, or has it in another form: ValueError"),
        ({"levels": None}, "{path} lacks what a model has, or has it in another form: TypeError"),
        ({"levels": ["segment", "class"]}, "{path} should have the levels segment, family."),
        ({"encoders": {"english": 4}}, "{path} lacks what a model has, or has it in another form: ValueError"),
        ({"encoders": {"a": 4, "b": 4}}, "The array multilingual.change in {arrays} should be float32 [4, 4] and is float32 [5, 5]. Train"),
    ],
)  # fmt: skip
def test_a_description_that_does_not_fit_is_refused(folder: Path, values: dict[str, object], message: str) -> None:
    changed(folder, **values)
    with pytest.raises(ClassificationServiceError) as refused:
        open_model(folder, taxonomy())
    expected = message.format(path=folder / "model.json", arrays=folder / "model.safetensors")
    assert str(refused.value).startswith(expected)


@pytest.mark.parametrize("name", ["model.json", "model.safetensors"])
@pytest.mark.parametrize("kept", [0, 5, 300])
def test_files_that_are_cut_off_are_refused(folder: Path, name: str, kept: int) -> None:
    path = folder / name
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ClassificationServiceError, match=r"was cut off or changed|is not readable"):
        open_model(folder, taxonomy())


@pytest.mark.parametrize("name", ["model.json", "model.safetensors"])
def test_files_that_are_missing_are_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(ClassificationServiceError) as refused:
        open_model(folder, taxonomy())
    assert str(refused.value) == f"{folder / name} cannot be read: No such file or directory."


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("ngrams.0.weight", None, "has no array ngrams.0.weight"),
        ("ngrams.1.bias", np.zeros(2, np.float32), "should be float32 [1] and is float32 [2]"),
        ("ngrams.0.positions", np.array([0, 9]), "numbers out of range"),
        ("ngrams.0.positions", np.array([2, 0]), "not in order"),
        ("codes.positions", np.array([0, 1]), "should be float32 [2, 4] and is float32 [3, 4]"),
        ("multilingual.weight", np.zeros((2, OTHER), np.float32), "should be float32 [3, 5] and is float32 [2, 5]"),
        ("examples.positions", np.array([-1, 0]), "numbers out of range"),
        ("examples.vectors", np.zeros((2, DIMENSION), np.int32), "should be int8 [2, 4] and is int32 [2, 4]"),
        ("titles.means", np.zeros((9, DIMENSION), np.float32), "should be float32 [2, 4] and is float32 [9, 4]"),
        ("words.titles.documents", np.full(10, 99, np.int32), "refer to documents that are not there"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(
    folder: Path, name: str, array: NDArray[np.generic] | None, message: str
) -> None:
    path = folder / "model.safetensors"
    tensors = {key: np.array(value) for key, value in safetensors.mapped(path).items()}
    if array is None:
        del tensors[name]
    else:
        tensors[name] = array
    path.write_bytes(safetensors.serialise(tensors, {}))
    with pytest.raises(ClassificationServiceError) as refused:
        open_model(folder, taxonomy())
    assert message in str(refused.value)


def test_an_id_changes_with_the_model(folder: Path) -> None:
    before = open_model(folder, taxonomy())
    changed(folder, thresholds={"segment": 0.8, "family": None})
    after = open_model(folder, taxonomy())
    assert before.id != after.id
    assert replace(before.description, thresholds=after.description.thresholds) == after.description


def test_a_model_needs_no_torch(folder: Path) -> None:
    assert isinstance(open_model(folder, taxonomy()).model, Model)
