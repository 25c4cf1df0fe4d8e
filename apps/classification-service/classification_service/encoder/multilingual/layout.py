"""Shape of the multilingual encoder, and where each of its weights lies in the file that they are unpacked to.

The encoder averages the vectors of a text's tokens and of their neighbourhoods of 2, 3 and 5 tokens, and puts the mean
through four dense layers. The package has the vectors of the tokens in 17 blocks of whole numbers, each with a scale and
a lowest value: token number t is row t // 17 of block t % 17.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

BLOCKS = 17
BLOCK_ROWS = 7530
EMBEDDING = 512
WINDOW_CHANNELS = 256
WINDOWS = {2: 0, 3: 1, 5: 2}
"""Tokens of each kind of neighbourhood, and how many of them stand before the token itself."""

HIDDEN = 320
DIMENSION = 512
EPSILON = 1e-12
FEATURES = EMBEDDING + WINDOW_CHANNELS * len(WINDOWS)

TABLE = "table"
WEIGHTS_FILE = "multilingual.bin"
_ALIGNMENT = 64

type Shape = tuple[int, ...]
type Kind = Literal["float32", "uint8"]
_BYTES: Mapping[Kind, int] = {"float32": 4, "uint8": 1}


@dataclass(frozen=True, slots=True)
class Place:
    """A weight in the file; `sources` are the arrays of the package that it is made of, one beside the other."""

    shape: Shape
    sources: tuple[str, ...]
    offset: int
    kind: Kind = "float32"

    @property
    def size(self) -> int:
        """Bytes in the file."""
        return math.prod(self.shape) * _BYTES[self.kind]


def _shapes() -> dict[str, tuple[Shape, tuple[str, ...], Kind]]:
    channels = WINDOW_CHANNELS * len(WINDOWS)
    found: dict[str, tuple[Shape, tuple[str, ...], Kind]] = {
        TABLE: ((BLOCKS * BLOCK_ROWS, EMBEDDING), (), "uint8"),
        "scale": ((BLOCKS, 1), ("scale",), "float32"),
        "lo": ((BLOCKS, 1), ("lo",), "float32"),
        "projection": ((EMBEDDING, channels), _of_windows("proj"), "float32"),
    }
    for name, source in (("projection_bias", "proj_b"), ("projection_gain", "ln_g"), ("projection_shift", "ln_b")):
        found[name] = ((channels,), _of_windows(source), "float32")
    for size in WINDOWS:
        for layer in (1, 2):
            weight, bias = f"w{layer}_{size}", f"b{layer}_{size}"
            found[weight] = ((size * WINDOW_CHANNELS, WINDOW_CHANNELS), (weight,), "float32")
            found[bias] = ((WINDOW_CHANNELS,), (bias,), "float32")
    single = {
        "ln_g": (FEATURES,),
        "ln_b": (FEATURES,),
        "cnn_W": (FEATURES, EMBEDDING),
        "cnn_b": (EMBEDDING,),
        "d0": (EMBEDDING, HIDDEN),
        "d1": (HIDDEN, HIDDEN),
        "d2": (HIDDEN, DIMENSION),
        "d3": (DIMENSION, DIMENSION),
        "p1": (EMBEDDING, HIDDEN),
        "p3": (HIDDEN, DIMENSION),
    }
    return found | {name: (shape, (name,), "float32") for name, shape in single.items()}


def _of_windows(name: str) -> tuple[str, ...]:
    return tuple(f"{name}{size}" for size in WINDOWS)


def places() -> dict[str, Place]:
    """Each weight by its name, in the order of the file."""
    found: dict[str, Place] = {}
    offset = 0
    for name, (shape, sources, kind) in _shapes().items():
        found[name] = place = Place(shape, sources, offset, kind)
        offset += -(-place.size // _ALIGNMENT) * _ALIGNMENT
    return found
