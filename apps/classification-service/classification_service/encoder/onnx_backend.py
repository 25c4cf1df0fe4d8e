"""The encoder on ONNX Runtime, on the CPU."""

from pathlib import Path
from typing import cast

import numpy as np
import onnxruntime  # type: ignore[import-untyped]
from numpy.typing import NDArray

from classification_service.encoder import architecture
from classification_service.encoder.folder import REMEDY, EncoderFolderError, read_weights

_GRAPH = Path(__file__).with_name("encoder.onnx")
_ONLY_ERRORS = 3


class OnnxBackend:
    """A Backend whose weights are memory-mapped from the folder's model.safetensors: worker processes share them."""

    device = "cpu"
    batch = 32  # larger batches are slower
    batch_tokens = 32 * 128

    def __init__(self, folder: Path, threads: int) -> None:
        """Open the encoder in `folder`; raises EncoderFolderError, SafetensorsError."""
        weights = folder / architecture.WEIGHTS_FILE
        graph = graph_at(_GRAPH, weights)
        options = session_options(weights, threads)
        self._session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])

    def embed(self, ids: NDArray[np.int64], mask: NDArray[np.int64]) -> NDArray[np.float32]:
        """See Backend."""
        inputs = {"input_ids": ids, "attention_mask": mask}
        return cast("NDArray[np.float32]", self._session.run(["embedding"], inputs)[0])


def session_options(weights: Path, threads: int) -> onnxruntime.SessionOptions:
    """Options of a session whose graph refers to a weights file; raises EncoderFolderError."""
    return plain_options(threads, _real_folder(weights))


def plain_options(threads: int, folder: Path) -> onnxruntime.SessionOptions:
    """Options of a session whose graph refers to a file in a folder, which must be no link."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _ONLY_ERRORS
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", str(folder.resolve()))
    return options


def _real_folder(weights: Path) -> Path:
    """Where the weights file lies: ONNX Runtime follows no link out of the folder that it is given."""
    real = weights.resolve()
    if real.name != architecture.WEIGHTS_FILE:
        raise EncoderFolderError(f"{weights} is a link to {real.name}. Put the file itself there. {REMEDY}")
    return real.parent


def graph_at(path: Path, weights: Path) -> bytes:
    """The graph in a file, with the place of each weight in the weights file."""
    graph = path.read_bytes()
    for name, tensor in read_weights(weights).items():
        marker, offset = architecture.offset_marker(name), architecture.offset_text(tensor.start)
        graph = graph.replace(marker.encode(), offset.encode())
    return graph
