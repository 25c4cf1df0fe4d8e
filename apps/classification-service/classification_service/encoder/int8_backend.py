"""The encoder with weights of one byte, on ONNX Runtime: for the titles of taxonomies, which are many.

It takes a third of the CPU. The vectors are a little off (cosine 0.993 to those of OnnxBackend on average), which costs
no accuracy where texts that are embedded with full weights are compared with them.
"""

from pathlib import Path
from typing import cast

import numpy as np
import onnxruntime  # type: ignore[import-untyped]
from numpy.typing import NDArray

from classification_service.encoder import architecture
from classification_service.encoder.folder import read_weights
from classification_service.encoder.onnx_backend import graph_at, session_options

_GRAPH = Path(__file__).with_name("encoder_int8.onnx")


class Int8Backend:
    """A Backend for one CPU thread per call; several threads may call it at once."""

    device = "cpu"
    batch = 32
    batch_tokens = 32 * 128

    def __init__(self, folder: Path) -> None:
        """Open the encoder in `folder`; raises EncoderFolderError, SafetensorsError."""
        weights = folder / architecture.WEIGHTS_FILE
        options = session_options(weights, 1)
        quantised = _quantised(weights)
        values = [onnxruntime.OrtValue.ortvalue_from_numpy(value) for value in quantised.values()]
        options.add_external_initializers(list(quantised), values)
        graph = graph_at(_GRAPH, weights)
        self._session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])

    def embed(self, ids: NDArray[np.int64], mask: NDArray[np.int64]) -> NDArray[np.float32]:
        """See Backend."""
        inputs = {"input_ids": ids, "attention_mask": mask}
        return cast("NDArray[np.float32]", self._session.run(["embedding"], inputs)[0])


def _quantised(path: Path) -> dict[str, NDArray[np.int8] | NDArray[np.float32]]:
    """The matrices of the linear layers in whole numbers, [in, out], each column with a scale of its own."""
    tensors = read_weights(path)
    mapped = np.memmap(path, np.uint8, "r")
    found: dict[str, NDArray[np.int8] | NDArray[np.float32]] = {}
    for name in architecture.dense_weights():
        tensor = tensors[name]
        weight = mapped[tensor.start : tensor.end].view(np.float32).reshape(tensor.shape)
        values, scales = quantise(weight)
        found[architecture.int8_name(name)] = np.ascontiguousarray(values.T)
        found[architecture.scale_name(name)] = scales
    return found


def quantise(rows: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """The rows in whole numbers from -127 to 127, and the scale of each: the product of both is the row."""
    scales = np.maximum(np.abs(rows).max(axis=1), np.finfo(np.float32).tiny) / np.float32(127)
    return np.rint(rows / scales[:, None]).astype(np.int8), scales.astype(np.float32)
