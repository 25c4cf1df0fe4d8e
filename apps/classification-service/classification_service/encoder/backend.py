"""What computes the vectors: ONNX Runtime on the CPU, or torch on a GPU; and which of them it is."""

import logging
from ctypes import CDLL
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from classification_service.encoder.device import Device
from classification_service.encoder.onnx_backend import OnnxBackend
from classification_service.errors import ClassificationServiceError

type Tokens = NDArray[np.int64]
type Vectors = NDArray[np.float32]

_DRIVER = "libcuda.so.1"
_log = logging.getLogger(__name__)


class DeviceError(ClassificationServiceError):
    """The device that is asked for cannot be used."""


class Backend(Protocol):
    """The encoder on one device."""

    device: str
    """What it computes on: cpu or cuda."""
    batch: int
    """Texts that are best computed together."""
    batch_tokens: int
    """Tokens, those of padding included, that may be computed together."""

    def embed(self, ids: Tokens, mask: Tokens) -> Vectors:
        """Vectors of length 1 [batch, HIDDEN] of token ids [batch, tokens]; `mask` is 1 for tokens, 0 for padding."""
        ...


def open_backend(folder: Path, threads: int, device: Device) -> Backend:
    """The encoder in `folder` on `device`; `auto` is the GPU if torch can use one, else the CPU.

    Raises EncoderFolderError, SafetensorsError, and DeviceError where `cuda` cannot be used.
    """
    if device == "cpu":
        return OnnxBackend(folder, threads)
    obstacle, level = _missing(), logging.INFO
    if obstacle is None:
        try:
            return _open_on_gpu(folder)
        except (ImportError, OSError, RuntimeError) as error:
            obstacle = f"torch cannot use the GPU: {str(error).partition('\n')[0].rstrip('.')}"
            level = logging.WARNING
    if device == "cuda":
        raise DeviceError(
            f"NEXUS_DEVICE is cuda, and {obstacle}. Start the image classification-service:cuda on a machine with an "
            "NVIDIA GPU that the container is given (docker run --gpus all), or set NEXUS_DEVICE to auto or cpu."
        )
    _log.log(level, "the encoder computes on the CPU with ONNX Runtime", extra={"device": "cpu", "reason": obstacle})
    return OnnxBackend(folder, threads)


def _missing() -> str | None:
    """What a GPU needs and is not there; torch itself, whose import takes seconds, is not loaded to find out."""
    if find_spec("torch") is None:
        return "this image has no torch"
    try:
        CDLL(_DRIVER)
    except OSError:
        return f"there is no NVIDIA driver: {_DRIVER} cannot be loaded"
    return None


def _open_on_gpu(folder: Path) -> Backend:
    """Torch on the GPU, once it has computed something: a GPU or driver that torch does not know fails only then."""
    import torch  # type: ignore[import-not-found]  # noqa: PLC0415  only images for GPUs have it

    from classification_service.encoder.torch_backend import TorchBackend  # noqa: PLC0415  the same

    backend = TorchBackend(folder, "cuda")
    backend.embed(np.zeros((1, 1), np.int64), np.ones((1, 1), np.int64))
    _log.info(
        "the encoder computes on the GPU with torch", extra={"device": "cuda", "gpu": torch.cuda.get_device_name()}
    )
    return backend
