"""Texts per second of the encoder on the GPU beside the CPU, and how far apart their vectors are.

Run: python -m benchmarks.devices (from the app's folder; docs/guides/gpu.md has the command for the image)
"""

import time
from collections.abc import Sequence

from classification_service.classify.index import index_texts
from classification_service.encoder.backend import DeviceError, Vectors
from classification_service.encoder.encoder import SentenceEncoder
from classification_service.taxonomies.service import load_starters

_TEXTS = 20_000
_ON_CPU = 2_000


def measure(encoder: SentenceEncoder, texts: Sequence[str]) -> tuple[Vectors, float]:
    """Vectors, and texts per second; the first batch, which warms up, is not counted."""
    encoder.encode(texts[: encoder.backend.batch])
    started = time.perf_counter()
    vectors = encoder.encode(texts)
    return vectors, len(texts) / (time.perf_counter() - started)


def main() -> None:
    """Print the figures."""
    names = [text for taxonomy in load_starters() for text in index_texts(taxonomy)]
    texts = [f"{names[number % len(names)]} {number}" for number in range(_TEXTS)]
    expected, on_cpu = measure(SentenceEncoder(), texts[:_ON_CPU])
    print(f"CPU, ONNX Runtime, 1 thread  {on_cpu:9.0f} texts/s")
    try:
        encoder = SentenceEncoder(device="cuda")
    except DeviceError as error:
        print(f"no GPU here: {error}")
        return
    vectors, on_gpu = measure(encoder, texts)
    distance = 1 - (vectors[:_ON_CPU] * expected).sum(axis=1).min()
    print(f"GPU, torch                   {on_gpu:9.0f} texts/s  ({on_gpu / on_cpu:.1f} times the CPU)")
    print(f"largest cosine distance      {distance:9.1e}")


if __name__ == "__main__":
    main()
