"""The encoder in torch: the same weights and the same arithmetic as in encoder.onnx, in single precision."""

import math
from pathlib import Path

import numpy as np
import torch  # type: ignore[import-not-found]
from numpy.typing import NDArray
from torch.nn import functional  # type: ignore[import-not-found]

from classification_service.encoder import architecture
from classification_service.encoder.folder import read_weights
from classification_service.encoder.safetensors import Tensor

_HEAD_SIZE = architecture.HIDDEN // architecture.HEADS
_MASKED_SCORE = -1e9  # far below any real score, yet finite


class TorchBackend:
    """A Backend on a torch device, such as cuda."""

    batch = 4096  # a GPU is hardly busy with less
    batch_tokens = 65_536  # their largest intermediate is 0.4 GB

    def __init__(self, folder: Path, device: str) -> None:
        """Read the encoder in `folder`; raises EncoderFolderError, SafetensorsError, and RuntimeError of torch."""
        self.device = device
        path = folder / architecture.WEIGHTS_FILE
        self._weights = {name: _read(path, tensor).to(device) for name, tensor in read_weights(path).items()}

    @torch.inference_mode()  # type: ignore[untyped-decorator]
    def embed(self, ids: NDArray[np.int64], mask: NDArray[np.int64]) -> NDArray[np.float32]:
        """See Backend."""
        tokens = torch.from_numpy(mask).to(self.device, torch.float32)
        padding = (1 - tokens)[:, None, None, :] * _MASKED_SCORE
        hidden = self._embeddings(torch.from_numpy(ids).to(self.device))
        for number in range(architecture.LAYERS):
            hidden = self._layer(hidden, padding, f"encoder.layer.{number}")
        sums = (hidden * tokens[:, :, None]).sum(1)  # mean and sum have the same direction
        vectors: NDArray[np.float32] = functional.normalize(sums, dim=1).cpu().numpy()
        return vectors

    def _embeddings(self, ids: "torch.Tensor") -> "torch.Tensor":
        words, positions, segments = (
            self._weights[f"embeddings.{kind}_embeddings.weight"] for kind in ("word", "position", "token_type")
        )
        return self._norm(words[ids] + positions[: ids.shape[1]] + segments[0], "embeddings.LayerNorm")

    def _layer(self, hidden: "torch.Tensor", padding: "torch.Tensor", name: str) -> "torch.Tensor":
        mixed = self._dense(self._attend(hidden, padding, f"{name}.attention.self"), f"{name}.attention.output.dense")
        hidden = self._norm(mixed + hidden, f"{name}.attention.output.LayerNorm")
        wide = functional.gelu(self._dense(hidden, f"{name}.intermediate.dense"))
        return self._norm(self._dense(wide, f"{name}.output.dense") + hidden, f"{name}.output.LayerNorm")

    def _attend(self, hidden: "torch.Tensor", padding: "torch.Tensor", name: str) -> "torch.Tensor":
        # Plain products: torch's fused attention may ask cuDNN, most of which the CUDA layer leaves out.
        shape = (*hidden.shape[:2], architecture.HEADS, _HEAD_SIZE)
        query, key, value = (
            self._dense(hidden, f"{name}.{part}").view(shape).transpose(1, 2) for part in ("query", "key", "value")
        )
        scores = query @ key.transpose(2, 3) / math.sqrt(_HEAD_SIZE) + padding
        return (scores.softmax(-1) @ value).transpose(1, 2).flatten(2)

    def _dense(self, values: "torch.Tensor", name: str) -> "torch.Tensor":
        return functional.linear(values, self._weights[f"{name}.weight"], self._weights[f"{name}.bias"])

    def _norm(self, values: "torch.Tensor", name: str) -> "torch.Tensor":
        weight, bias = self._weights[f"{name}.weight"], self._weights[f"{name}.bias"]
        return functional.layer_norm(values, weight.shape, weight, bias, architecture.NORM_EPSILON)


def _read(path: Path, tensor: Tensor) -> "torch.Tensor":
    values = np.fromfile(path, "<f4", math.prod(tensor.shape), offset=tensor.start)
    return torch.from_numpy(values.reshape(tensor.shape))
