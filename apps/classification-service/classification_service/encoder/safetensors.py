"""The safetensors file format: 8 bytes header length, JSON header, raw little-endian tensors.

Source: https://github.com/huggingface/safetensors#format
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from classification_service.errors import ClassificationServiceError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_LENGTH_BYTES = 8
_LARGEST_HEADER = 100_000_000  # the format's own limit
_F32_BYTES = 4


class SafetensorsError(ClassificationServiceError):
    """The file is not in the format."""


@dataclass(frozen=True)
class Tensor:
    """Where a tensor lies in the file: `start` and `end` are byte offsets from the beginning of the file."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int


def read_header(path: Path) -> dict[str, Tensor]:
    """The tensors in a file by name.

    Raises SafetensorsError when the file is missing, cut off or not in the format.
    """
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
            content = file.read(min(length, _LARGEST_HEADER))
    except OSError as error:
        raise SafetensorsError(f"{path} cannot be read: {error.strerror}.") from None
    base = _LENGTH_BYTES + length
    try:
        header: dict[str, Any] = json.loads(content)
        tensors = {name: _tensor(entry, base) for name, entry in header.items() if name != "__metadata__"}
    except (ValueError, KeyError, TypeError, AttributeError):
        raise SafetensorsError(f"{path} is not a safetensors file: its header is not readable.") from None
    _check_length(path, max((tensor.end for tensor in tensors.values()), default=base))
    return tensors


def _tensor(entry: dict[str, Any], base: int) -> Tensor:
    start, end = entry["data_offsets"]
    return Tensor(entry["dtype"], tuple(entry["shape"]), base + start, base + end)


def _check_length(path: Path, expected: int) -> None:
    found = path.stat().st_size
    if found != expected:
        raise SafetensorsError(f"{path} should have {expected} bytes and has {found}: it was cut off or changed.")


def write(path: Path, tensors: "Mapping[str, NDArray[np.float32]]", metadata: Mapping[str, str]) -> None:
    """Write float32 tensors in the order given, with `metadata` in the header."""
    header: dict[str, object] = {"__metadata__": dict(metadata)}
    offset = 0
    for name, tensor in tensors.items():
        size = math.prod(tensor.shape) * _F32_BYTES
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [offset, offset + size]}
        offset += size
    encoded = json.dumps(header).encode()
    encoded += b" " * (-len(encoded) % _LENGTH_BYTES)
    with path.open("wb") as file:
        file.write(len(encoded).to_bytes(_LENGTH_BYTES, "little") + encoded)
        for tensor in tensors.values():
            file.write(tensor.astype("<f4").tobytes())
