import math
import os
import shutil
import sys
from copy import copy
from pathlib import Path
from subprocess import run

import numpy as np
import pytest
from conftest import APP, FIXTURES
from numpy.typing import NDArray

from classification_service.encoder import architecture, safetensors
from classification_service.encoder.backend import Backend, Tokens, Vectors
from classification_service.encoder.encoder import MAX_TOKENS, SentenceEncoder
from classification_service.encoder.folder import shipped_folder
from classification_service.errors import ClassificationServiceError

TEXTS = [
    "laptop",
    "cordless drill 18V with two batteries",
    "Stainless steel hexagon bolt DIN 933 M8x40 A2, pack of 100",
    "Schraubendreher für Schlitzschrauben",
    "☃",
    "A4 copy paper 80 g",
]
FAILURES = FIXTURES / "encoder-folders"
REMEDY = "Point NEXUS_ENCODER_DIR at the folder of an encoder of the all-MiniLM-L6-v2 shape."

type Array = NDArray[np.float32]


class Reference:
    """The same encoder in plain numpy, one text at a time."""

    def __init__(self, encoder: SentenceEncoder) -> None:
        self._tokenizer = encoder._tokenizer  # noqa: SLF001  the same tokens are wanted
        path = shipped_folder() / "model.safetensors"
        raw = np.memmap(path, np.uint8, "r")
        self._weights = {
            name: raw[tensor.start : tensor.end].view("<f4").reshape(tensor.shape)
            for name, tensor in safetensors.read_header(path).items()
            if tensor.dtype == "F32"
        }

    def encode(self, text: str) -> Array:
        ids = self._tokenizer.encode(text).ids
        hidden = self._embed(ids)
        for layer in range(architecture.LAYERS):
            hidden = self._layer(hidden, f"encoder.layer.{layer}")
        mean = hidden.mean(axis=0)
        return np.asarray(mean / np.linalg.norm(mean))

    def _embed(self, ids: list[int]) -> Array:
        weights = self._weights
        total = (
            weights["embeddings.word_embeddings.weight"][ids]
            + weights["embeddings.position_embeddings.weight"][: len(ids)]
            + weights["embeddings.token_type_embeddings.weight"][0]
        )
        return self._norm(total, "embeddings.LayerNorm")

    def _layer(self, hidden: Array, name: str) -> Array:
        query, key, value = (
            self._dense(hidden, f"{name}.attention.self.{part}")
            .reshape(len(hidden), architecture.HEADS, -1)
            .swapaxes(0, 1)
            for part in ("query", "key", "value")
        )
        scores = query @ key.swapaxes(1, 2) / math.sqrt(query.shape[-1])
        weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
        mixed = (weights / weights.sum(axis=-1, keepdims=True)) @ value
        joined = self._dense(mixed.swapaxes(0, 1).reshape(len(hidden), -1), f"{name}.attention.output.dense")
        hidden = self._norm(joined + hidden, f"{name}.attention.output.LayerNorm")
        wide = self._dense(hidden, f"{name}.intermediate.dense")
        active = np.asarray(wide * 0.5 * (1 + np.vectorize(math.erf)(wide / math.sqrt(2))), np.float32)
        return self._norm(self._dense(active, f"{name}.output.dense") + hidden, f"{name}.output.LayerNorm")

    def _dense(self, values: Array, name: str) -> Array:
        return np.asarray(values @ self._weights[f"{name}.weight"].T + self._weights[f"{name}.bias"])

    def _norm(self, values: Array, name: str) -> Array:
        centred = values - values.mean(axis=-1, keepdims=True)
        scale = np.sqrt(centred.var(axis=-1, keepdims=True) + architecture.NORM_EPSILON)
        return np.asarray(centred / scale * self._weights[f"{name}.weight"] + self._weights[f"{name}.bias"])


def test_the_committed_graph_is_what_the_generator_writes() -> None:
    pytest.importorskip("onnx", reason="the generator of the graph needs the package onnx")
    from tools.make_encoder_graph import DEFAULT_OUTPUT, build  # noqa: PLC0415

    assert DEFAULT_OUTPUT.read_bytes() == build(), "run: python -m tools.make_encoder_graph"
    int8 = DEFAULT_OUTPUT.with_name("encoder_int8.onnx")
    assert int8.read_bytes() == build(int8=True), "run: python -m tools.make_encoder_graph"


def test_vectors_are_those_of_a_plain_forward_pass(encoder: SentenceEncoder) -> None:
    reference = Reference(encoder)
    cosines = [
        float(vector @ reference.encode(text)) for text, vector in zip(TEXTS, encoder.encode(TEXTS), strict=True)
    ]
    assert cosines == pytest.approx([1.0] * len(TEXTS), abs=1e-5)


def test_a_vector_does_not_depend_on_the_other_texts(encoder: SentenceEncoder) -> None:
    texts = [f"{text} {number}" for number in range(20) for text in TEXTS]
    alone = np.concatenate([encoder.encode([text]) for text in texts])
    assert np.abs(encoder.encode(texts) - alone).max() < 1e-5


class LikeGpu:
    """The backend of an encoder as if it were on a GPU, with small batches."""

    device = "cuda"
    batch = 7
    batch_tokens = 60

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self.batches: list[tuple[int, int]] = []

    def embed(self, ids: Tokens, mask: Tokens) -> Vectors:
        self.batches.append(ids.shape)  # type: ignore[arg-type]  # two dimensions
        return self._backend.embed(ids, mask)


def test_what_is_tokenized_ahead_of_a_device_has_the_same_vectors(
    encoder: SentenceEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("classification_service.encoder.encoder._WINDOW", 10)
    texts = [f"{text} {number}" for number in range(9) for text in TEXTS]
    other = copy(encoder)
    other.backend = device = LikeGpu(encoder.backend)
    assert np.abs(other.encode(texts) - encoder.encode(texts)).max() < 1e-5
    assert sum(rows for rows, _ in device.batches) == len(texts)
    assert all(rows <= 7 and (rows == 1 or rows * tokens <= 60) for rows, tokens in device.batches)


def test_a_device_that_fails_ends_the_work(encoder: SentenceEncoder, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> Vectors:
        raise RuntimeError("out of memory")

    other = copy(encoder)
    other.backend = LikeGpu(encoder.backend)
    monkeypatch.setattr(other.backend, "embed", fail)
    with pytest.raises(RuntimeError, match="out of memory"):
        other.encode(TEXTS * 10)


def test_only_the_first_tokens_of_a_long_text_count(encoder: SentenceEncoder) -> None:
    read = "bolt " * (MAX_TOKENS - 2)
    first, second = encoder.encode([read, read + "banana " * 1000])
    assert np.abs(first - second).max() < 1e-6


def test_weights_are_mapped_from_the_file(encoder: SentenceEncoder) -> None:
    encoder.encode(TEXTS)
    assert str(shipped_folder() / "model.safetensors") in Path("/proc/self/maps").read_text()


def test_the_runtime_reports_nothing_to_its_maker(tmp_path: Path) -> None:
    """It would write its identifier under the home folder first."""
    program = "from classification_service.encoder.encoder import SentenceEncoder; SentenceEncoder().encode(['bolt'])"
    path = os.pathsep.join(entry for entry in sys.path if entry)
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": path, "HOME": str(tmp_path)}
    done = run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True, cwd=APP)
    assert (list(tmp_path.iterdir()), done.stdout, done.stderr) == ([], "", "")


def test_another_folder_is_read_and_named_by_its_weights(encoder: SentenceEncoder, tmp_path: Path) -> None:
    for name in ("model.safetensors", "tokenizer.json"):
        (tmp_path / name).symlink_to(shipped_folder() / name)  # as Kubernetes mounts files
    other = SentenceEncoder(tmp_path)
    assert (other.name, other.shipped, other.backend.device) == (f"{tmp_path.name}-53aa51172d14", False, "cpu")
    assert np.array_equal(other.encode(TEXTS), encoder.encode(TEXTS))


@pytest.mark.parametrize(
    ("failure", "message"),
    [
        ("weights-missing", "{path} cannot be read: No such file or directory. " + REMEDY),
        ("weights-empty", "{path} is not a safetensors file: its header is not readable."),
        ("weights-not-safetensors", "{path} is not a safetensors file: its header is not readable."),
        ("weights-cut-off", "{path} should have 46881909 bytes and has 125: it was cut off or changed."),
        ("weight-missing", "{path} has no weight embeddings.word_embeddings.weight. " + REMEDY),
        (
            "weight-of-another-shape",
            "The weight embeddings.word_embeddings.weight in {path} should be F32 [30522, 384] and is F32 [2, 2]. "
            + REMEDY,
        ),
        (
            "weight-in-half-precision",
            "The weight embeddings.word_embeddings.weight in {path} should be F32 [30522, 384] and is F16 [30522, 384]. "
            + REMEDY,
        ),
    ],
)
def test_a_faulty_folder_is_refused(failure: str, message: str) -> None:
    with pytest.raises(ClassificationServiceError) as refused:
        SentenceEncoder(FAILURES / failure)
    assert str(refused.value) == message.format(path=FAILURES / failure / "model.safetensors")


def test_a_faulty_tokenizer_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").symlink_to(shipped_folder() / "model.safetensors")
    (tmp_path / "tokenizer.json").symlink_to(FAILURES / "tokenizer-not-json" / "tokenizer.json")
    with pytest.raises(ClassificationServiceError) as refused:
        SentenceEncoder(tmp_path)
    path = tmp_path / "tokenizer.json"
    assert (
        str(refused.value)
        == f"{path} is not a readable tokenizer: invalid type: sequence, expected struct Tokenizer at line 1 column 1. {REMEDY}"
    )


def test_a_link_to_a_file_of_another_name_is_refused(tmp_path: Path) -> None:
    shutil.copyfile(shipped_folder() / "model.safetensors", tmp_path / "1f3a")
    (tmp_path / "model.safetensors").symlink_to(tmp_path / "1f3a")
    with pytest.raises(ClassificationServiceError) as refused:
        SentenceEncoder(tmp_path)
    path = tmp_path / "model.safetensors"
    assert str(refused.value) == f"{path} is a link to 1f3a. Put the file itself there. {REMEDY}"


def test_tensors_that_are_written_are_read_again(tmp_path: Path) -> None:
    tensors = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.ones(1, np.float32)}
    (tmp_path / "m.safetensors").write_bytes(safetensors.serialise(tensors, {"kind": "test"}))
    header = safetensors.read_header(tmp_path / "m.safetensors")
    content = (tmp_path / "m.safetensors").read_bytes()
    assert {name: (tensor.dtype, tensor.shape) for name, tensor in header.items()} == {
        "a": ("F32", (2, 3)),
        "b": ("F32", (1,)),
    }
    assert content[header["a"].start : header["a"].end] == tensors["a"].tobytes()
