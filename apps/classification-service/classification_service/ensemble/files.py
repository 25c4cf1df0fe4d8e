"""The files of a trained model: the arrays in model.safetensors, all else in model.json."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from classification_service.encoder import safetensors
from classification_service.encoder.packed_vectors import PackedVectors
from classification_service.ensemble import heads, tokens, words
from classification_service.ensemble.calibration import Calibration
from classification_service.ensemble.errors import ModelFolderError
from classification_service.ensemble.heads import CodeVectors, Head, NgramHeads
from classification_service.ensemble.model import Learned, Parts
from classification_service.ensemble.reranker import Reranker
from classification_service.ensemble.words import WordIndex

FORMAT = "nexus-ensemble-2"
ARRAYS_FILE = "model.safetensors"
DESCRIPTION_FILE = "model.json"
_ENCODERS = 2  # the one for English, and the multilingual one

type Tensors = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """What a model is for: `digest` is that of the taxonomy's codes, `encoders` whose vectors it was trained with.

    They are names with the dimensions, that for English first.

    `thresholds` are by level the confidence from which on 95 % of the answers are right, None where there is none.
    """

    taxonomy: str
    version: str
    digest: str
    encoders: Mapping[str, int]
    levels: Sequence[str]
    calibrations: Sequence[Calibration]
    thresholds: Mapping[str, float | None]


def serialise(description: Description, parts: Parts) -> dict[str, bytes]:
    """The files by their names; the same model gives the same bytes."""
    document = {
        "format": FORMAT,
        "taxonomy": description.taxonomy,
        "version": description.version,
        "digest": description.digest,
        "encoders": dict(description.encoders),
        "levels": list(description.levels),
        "calibrations": [[list(one.inputs), list(one.outputs)] for one in description.calibrations],
        "thresholds": dict(description.thresholds),
        "ngrams": {"buckets": heads.BUCKETS, "characters": tokens.MAX_CHARACTERS},
        "documents": {"titles": parts.title_words.count, "examples": parts.example_words.count},
    }
    return {
        ARRAYS_FILE: safetensors.serialise(_tensors(parts), {"format": FORMAT}),
        DESCRIPTION_FILE: (json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode(),
    }


def _tensors(parts: Parts) -> dict[str, NDArray[Any]]:
    learned = parts.learned
    found: dict[str, NDArray[Any]] = {"ngrams.embedding": learned.ngrams.embedding}
    for depth, head in enumerate(learned.ngrams.heads):
        found |= {f"ngrams.{depth}.{field.name}": getattr(head, field.name) for field in fields(Head)}
    found["codes.positions"] = learned.english.head.positions
    for kind, of in (("english", learned.english), ("multilingual", learned.multilingual)):
        found |= {f"{kind}.{name}": getattr(of, name) for name in _CODE_ARRAYS}
        found |= {f"{kind}.weight": of.head.weight, f"{kind}.bias": of.head.bias}
    found["adapter"] = learned.adapter
    found |= {f"reranker.{field.name}": getattr(parts.reranker, field.name) for field in fields(Reranker)}
    for name, index in (("titles", parts.title_words), ("examples", parts.example_words)):
        found |= {f"words.{name}.{part}": getattr(index, part) for part in _WORD_ARRAYS}
    found |= {
        "titles.means": parts.means,
        "examples.vectors": parts.examples.values,
        "examples.scales": parts.examples.scales,
        "examples.keys": parts.example_keys,
        "examples.positions": parts.example_positions,
    }
    return found


_CODE_ARRAYS = ("change", "embedding", "projection")
_WORD_ARRAYS = ("starts", "documents", "weights", "rarity")


def read(folder: Path) -> tuple[Description, Tensors]:
    """What the files in a folder say; raises ModelFolderError, SafetensorsError."""
    path = folder / DESCRIPTION_FILE
    try:
        document = json.loads(path.read_bytes())
    except OSError as error:
        raise ModelFolderError(f"{path} cannot be read: {error.strerror}.") from None
    except ValueError:
        raise ModelFolderError(f"{path} is not JSON: it was cut off or changed.") from None
    found_format = document.get("format") if isinstance(document, dict) else None
    if found_format != FORMAT:
        raise ModelFolderError(
            f"{path} has the format {found_format!r}, and this service reads {FORMAT!r}. Train the model anew."
        )
    try:
        return _description(document), safetensors.mapped(folder / ARRAYS_FILE)
    except (KeyError, TypeError, ValueError) as error:
        raise ModelFolderError(f"{path} lacks what a model has, or has it in another form: {error!r}.") from None


def _description(document: dict[str, Any]) -> Description:
    settings = {"buckets": heads.BUCKETS, "characters": tokens.MAX_CHARACTERS}
    if document["ngrams"] != settings:
        raise ValueError(f"its n-grams are hashed by {document['ngrams']}, here by {settings}")
    return Description(
        taxonomy=str(document["taxonomy"]),
        version=str(document["version"]),
        digest=str(document["digest"]),
        encoders=_encoders(document["encoders"]),
        levels=[str(level) for level in document["levels"]],
        calibrations=[Calibration(_rising(inputs), _numbers(outputs)) for inputs, outputs in document["calibrations"]],
        thresholds={
            str(level): None if value is None else float(value) for level, value in document["thresholds"].items()
        },
    )


def _encoders(document: Mapping[str, Any]) -> dict[str, int]:
    found = {str(name): int(dimension) for name, dimension in document.items()}
    if len(found) != _ENCODERS:
        raise ValueError(f"it has vectors of {len(found)} encoders")
    return found


def _numbers(values: Sequence[Any]) -> list[float]:
    found = [float(value) for value in values]
    if not found or not all(0 <= value <= 1 for value in found):
        raise ValueError("a calibration has numbers that are no probabilities")
    return found


def _rising(values: Sequence[Any]) -> list[float]:
    found = _numbers(values)
    if found != sorted(found):
        raise ValueError("the inputs of a calibration do not rise")
    return found


class Arrays:
    """The arrays of a model, taken one by one with the shape that they must have; `sizes` binds the letters of shapes."""

    def __init__(self, path: Path, tensors: Tensors, **sizes: int) -> None:
        self._path = path
        self._tensors = tensors
        self.sizes = sizes

    def take(self, name: str, kind: type[np.generic], *shape: str | int) -> NDArray[Any]:
        """The array of that name; a letter that is not bound yet is bound to what is found. Raises ModelFolderError."""
        array = self._tensors.get(name)
        if array is None:
            raise ModelFolderError(f"{self._path} has no array {name}. Train the model anew.")
        if len(shape) == array.ndim:
            for part, size in zip(shape, array.shape, strict=True):
                if isinstance(part, str):
                    self.sizes.setdefault(part, size)
        wanted = tuple(self.sizes.get(part, 0) if isinstance(part, str) else part for part in shape)
        if array.dtype != kind or array.shape != wanted:
            raise ModelFolderError(
                f"The array {name} in {self._path} should be {np.dtype(kind)} {list(wanted)} and is {array.dtype} "
                f"{list(array.shape)}. Train the model anew."
            )
        return array

    def numbers(self, name: str, shape: str, below: int) -> NDArray[np.int64]:
        """Whole numbers from 0 on that are below another one."""
        array = np.asarray(self.take(name, np.int64, shape))
        if len(array) and not (array.min() >= 0 and array.max() < below):
            raise ModelFolderError(f"The array {name} in {self._path} has numbers out of range. Train the model anew.")
        return array


def parts_of(arrays: Arrays, description: Description) -> Parts:
    """The parts of a model of a taxonomy with `codes` codes and `groups` groups of titles; raises ModelFolderError."""
    levels, (dimension, other) = range(len(description.levels)), description.encoders.values()
    embedding = arrays.take("ngrams.embedding", np.float32, heads.BUCKETS, "ngram dimension")
    ngrams = [_head(arrays, f"ngrams.{depth}", "ngram dimension") for depth in levels]
    codes = _positions(arrays, "codes")
    examples = arrays.take("examples.vectors", np.int8, "examples", dimension)
    return Parts(
        Learned(
            NgramHeads(embedding, ngrams),
            _code_vectors(arrays, "english", dimension, codes),
            _code_vectors(arrays, "multilingual", other, codes),
            arrays.take("adapter", np.float32, dimension, dimension),
        ),
        _reranker(arrays),
        arrays.take("titles.means", np.float32, "groups", dimension),
        _words(arrays, "titles", "codes"),
        _words(arrays, "examples", "examples"),
        PackedVectors(examples, arrays.take("examples.scales", np.float32, "examples")),
        arrays.take("examples.keys", np.int64, "examples"),
        arrays.numbers("examples.positions", "examples", arrays.sizes["codes"]),
        description.calibrations,
    )


def _code_vectors(arrays: Arrays, name: str, dimension: int, codes: NDArray[np.int64]) -> CodeVectors:
    ngram_dimension, outputs = f"ngram dimension of {name}", "outputs of codes"
    return CodeVectors(
        arrays.take(f"{name}.change", np.float32, dimension, dimension),
        arrays.take(f"{name}.embedding", np.float16, heads.BUCKETS, ngram_dimension),
        arrays.take(f"{name}.projection", np.float32, dimension, ngram_dimension),
        Head(
            arrays.take(f"{name}.weight", np.float32, outputs, dimension),
            arrays.take(f"{name}.bias", np.float32, outputs),
            codes,
        ),
    )


def _head(arrays: Arrays, name: str, inputs: str) -> Head:
    positions, outputs = _positions(arrays, name), f"outputs of {name}"
    weight = arrays.take(f"{name}.weight", np.float32, outputs, inputs)
    return Head(weight, arrays.take(f"{name}.bias", np.float32, outputs), positions)


def _positions(arrays: Arrays, name: str) -> NDArray[np.int64]:
    positions = arrays.numbers(f"{name}.positions", f"outputs of {name}", arrays.sizes["codes"])
    if (np.diff(positions) <= 0).any():
        raise ModelFolderError(f"The codes of {name} are not in order. Train the model anew.")
    return positions


def _reranker(arrays: Arrays) -> Reranker:
    shapes: dict[str, tuple[str | int, ...]] = {
        "mean": ("features",),
        "spread": ("features",),
        "hidden_weight": ("hidden", "features"),
        "hidden_bias": ("hidden",),
        "weight": (1, "hidden"),
        "whole_mean": ("whole",),
        "whole_spread": ("whole",),
        "whole_hidden_weight": ("whole hidden", "whole"),
        "whole_hidden_bias": ("whole hidden",),
        "whole_weight": (1, "whole hidden"),
        "whole_bias": (1,),
    }
    return Reranker(**{name: arrays.take(f"reranker.{name}", np.float32, *shape) for name, shape in shapes.items()})


def _words(arrays: Arrays, name: str, documents: str) -> WordIndex:
    entries = f"words of {name}"
    starts = arrays.take(f"words.{name}.starts", np.int32, words.BUCKETS + 1)
    found = arrays.take(f"words.{name}.documents", np.int32, entries)
    weights = arrays.take(f"words.{name}.weights", np.float32, entries)
    index = WordIndex(starts, found, weights, arrays.take(f"words.{name}.rarity", np.float32, words.BUCKETS), 0)
    return _checked(index, name, arrays.sizes[documents])


def _checked(index: WordIndex, name: str, count: int) -> WordIndex:
    fits = index.starts[0] == 0 and index.starts[-1] == len(index.documents) and (np.diff(index.starts) >= 0).all()
    if not fits or (len(index.documents) and not 0 <= index.documents.min() <= index.documents.max() < count):
        raise ModelFolderError(f"The words of {name} refer to documents that are not there. Train the model anew.")
    return WordIndex(index.starts, index.documents, index.weights, index.rarity, count)
