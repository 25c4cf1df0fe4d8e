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
    from numpy.typing import NDArray

_LENGTH_BYTES = 8
_LARGEST_HEADER = 100_000_000  # the format's own limit
_DTYPES = {"F32": "<f4", "F16": "<f2", "I32": "<i4", "I64": "<i8", "I8": "<i1"}


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


def mapped(path: Path) -> "dict[str, NDArray[Any]]":
    """The tensors of a file by name, mapped into memory; raises SafetensorsError."""
    import numpy as np  # noqa: PLC0415  commands that read no tensors do without

    tensors = read_header(path)
    content = np.memmap(path, np.uint8, "r")
    return {
        name: content[tensor.start : tensor.end].view(_dtype(path, tensor)).reshape(tensor.shape)
        for name, tensor in tensors.items()
    }


def _dtype(path: Path, tensor: Tensor) -> str:
    dtype = _DTYPES.get(tensor.dtype, "")
    if not dtype or math.prod(tensor.shape) * int(dtype[2:]) != tensor.end - tensor.start:
        raise SafetensorsError(
            f"{path} has a tensor of the type {tensor.dtype} and the shape {list(tensor.shape)}, which is not read."
        )
    return dtype


def serialise(tensors: "Mapping[str, NDArray[Any]]", metadata: Mapping[str, str]) -> bytes:
    """A file with tensors of float32, float16, int32, int64 or int8 in the order given, the wider types first, and `metadata`."""
    ordered = sorted(
        tensors.items(), key=lambda entry: -entry[1].itemsize
    )  # so that each begins at a multiple of its size
    header: dict[str, object] = {"__metadata__": dict(metadata)}
    offset = 0
    for name, tensor in ordered:
        dtype = next(
            key for key, value in _DTYPES.items() if value == tensor.dtype.newbyteorder("<").str.replace("|", "<")
        )
        header[name] = {"dtype": dtype, "shape": list(tensor.shape), "data_offsets": [offset, offset + tensor.nbytes]}
        offset += tensor.nbytes
    encoded = json.dumps(header).encode()
    encoded += b" " * (-len(encoded) % _LENGTH_BYTES)
    content = [tensor.astype(tensor.dtype.newbyteorder("<"), copy=False).tobytes() for _, tensor in ordered]
    return b"".join((len(encoded).to_bytes(_LENGTH_BYTES, "little"), encoded, *content))
