"""Texts per second of the encoder on the GPU beside the CPU, and how far apart their vectors and nearest titles are.

What the CPU computes is prepared first, so that a GPU is needed for a minute or two:

    python -m benchmarks.devices prepare FILE [CODES]   (from the app's folder; docs/guides/gpu.md has the command for the image)
    python -m benchmarks.devices measure FILE

FILE is written and read. CODES is a table with a column `title`, plain or compressed by gzip; without it the titles are
those of the starter taxonomies.
"""

import csv
import gzip
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from classification_service.classify.index import index_texts
from classification_service.encoder.backend import DeviceError, Vectors
from classification_service.encoder.encoder import SentenceEncoder
from classification_service.taxonomies.service import load_starters

_TITLES = 160_000
_QUERIES = 3_000
_TEXTS = 200_000
_TIMED = 2_000


def titles_of(codes: Path | None) -> list[str]:
    """The titles to search."""
    if codes is None:
        return [text for taxonomy in load_starters() for text in index_texts(taxonomy)]
    with (gzip.open if codes.suffix == ".gz" else open)(codes, "rt", encoding="utf-8", newline="") as file:
        return [row["title"] for row in csv.DictReader(file)][:_TITLES]


def rate(encoder: SentenceEncoder, texts: Sequence[str]) -> float:
    """Texts per second, from text to vector; the first batch, which warms up, is not counted."""
    encoder.encode(texts[: encoder.backend.batch])
    started = time.perf_counter()
    encoder.encode(texts)
    return len(texts) / (time.perf_counter() - started)


def nearest(titles: Vectors, queries: Vectors) -> list[int]:
    """The place of the nearest title of each query."""
    parts = (queries[start : start + 500] @ titles.T for start in range(0, len(queries), 500))
    return [int(place) for part in parts for place in part.argmax(axis=1)]


def prepare(file: Path, codes: Path | None) -> None:
    """Write the vectors that the CPU computes."""
    titles = titles_of(codes)
    queries = [f"{titles[number * 7 % len(titles)]} {number}" for number in range(_QUERIES)]
    encoder = SentenceEncoder(threads=os.cpu_count() or 1)
    on_cpu = rate(SentenceEncoder(), queries[:_TIMED])
    np.savez(
        file,
        titles=np.array(titles),
        queries=np.array(queries),
        of_titles=encoder.encode(titles),
        of_queries=encoder.encode(queries),
        on_cpu=on_cpu,
    )
    print(f"CPU, ONNX Runtime, 1 thread  {on_cpu:9.0f} texts/s; {file} has {len(titles)} titles")


def measure(file: Path) -> None:
    """Print what the GPU does beside it."""
    with np.load(file) as kept:
        titles, queries = kept["titles"].tolist(), kept["queries"].tolist()
        of_titles, of_queries, on_cpu = kept["of_titles"], kept["of_queries"], float(kept["on_cpu"])
    encoder = SentenceEncoder(device="cuda")
    texts = (titles * (_TEXTS // len(titles) + 1))[:_TEXTS]
    on_gpu = rate(encoder, texts)
    print(f"GPU, torch                   {on_gpu:9.0f} texts/s  ({on_gpu / on_cpu:.1f} times a thread of the CPU)")
    found_titles, found_queries = encoder.encode(titles), encoder.encode(queries)
    distance = 1 - (found_titles * of_titles).sum(axis=1).min()
    print(f"largest cosine distance      {distance:9.1e}")
    pairs = zip(nearest(of_titles, of_queries), nearest(found_titles, found_queries), strict=True)
    equal = sum(titles[one] == titles[other] for one, other in pairs)
    print(f"nearest title equal          {equal:9d} of {len(queries)}")


def main(arguments: list[str]) -> None:
    """Prepare, or measure."""
    match arguments:
        case ["prepare", file, *codes]:
            prepare(Path(file), Path(codes[0]) if codes else None)
        case ["measure", file]:
            try:
                measure(Path(file))
            except DeviceError as error:
                sys.exit(f"no GPU here: {error}")
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
