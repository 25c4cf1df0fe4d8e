"""Shape of the sentence encoder: a BERT encoder as in all-MiniLM-L6-v2.

The graph in encoder.onnx has no weights. Each of them is declared there as external data of model.safetensors, at an
offset that is a marker; the service puts the real offset in the marker's place when it opens an encoder folder.
"""

import hashlib

VOCABULARY = 30522
POSITIONS = 512
SEGMENTS = 2
HIDDEN = 384
INTERMEDIATE = 1536
LAYERS = 6
HEADS = 12
NORM_EPSILON = 1e-12
WEIGHTS_FILE = "model.safetensors"
TOKENIZER_FILE = "tokenizer.json"
_MARKER_DIGITS = 16

type Shape = tuple[int, ...]


def weights() -> dict[str, Shape]:
    """Shape of each weight by its name in model.safetensors; linear layers are [out, in]."""
    found: dict[str, Shape] = {
        "embeddings.word_embeddings.weight": (VOCABULARY, HIDDEN),
        "embeddings.position_embeddings.weight": (POSITIONS, HIDDEN),
        "embeddings.token_type_embeddings.weight": (SEGMENTS, HIDDEN),
        **_norm("embeddings.LayerNorm"),
    }
    for number in range(LAYERS):
        found |= _layer(f"encoder.layer.{number}")
    return found


def _layer(name: str) -> dict[str, Shape]:
    found: dict[str, Shape] = {}
    for part in ("self.query", "self.key", "self.value", "output.dense"):
        found |= _dense(f"{name}.attention.{part}", HIDDEN, HIDDEN)
    found |= _norm(f"{name}.attention.output.LayerNorm")
    found |= _dense(f"{name}.intermediate.dense", INTERMEDIATE, HIDDEN)
    found |= _dense(f"{name}.output.dense", HIDDEN, INTERMEDIATE)
    return found | _norm(f"{name}.output.LayerNorm")


def _dense(name: str, outputs: int, inputs: int) -> dict[str, Shape]:
    return {f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)}


def _norm(name: str) -> dict[str, Shape]:
    return {f"{name}.weight": (HIDDEN,), f"{name}.bias": (HIDDEN,)}


def dense_weights() -> list[str]:
    """Names of the matrices of the linear layers."""
    return [name for name, shape in weights().items() if name.startswith("encoder.") and len(shape) > 1]


def int8_name(name: str) -> str:
    """What the graph with weights of one byte calls a matrix in whole numbers."""
    return f"{name}/int8"


def scale_name(name: str) -> str:
    """What the graph with weights of one byte calls the scales of a matrix."""
    return f"{name}/scale"


def offset_marker(name: str) -> str:
    """What stands in the graph for the offset of a weight: as long as the number that will replace it."""
    return hashlib.sha256(name.encode()).hexdigest()[:_MARKER_DIGITS]


def offset_text(offset: int) -> str:
    """An offset in bytes as it replaces a marker."""
    return f"{offset:0{_MARKER_DIGITS}d}"
