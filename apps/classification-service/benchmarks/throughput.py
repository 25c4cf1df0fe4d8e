"""Texts per second of the encoder in batches, beside one text at a time; memory and time to open.

Run: python benchmarks/throughput.py (from the app's folder, with the app installed or on PYTHONPATH)
"""

import time
from pathlib import Path

from classification_service.classify.classifier import Classifier
from classification_service.encoder.encoder import SentenceEncoder
from classification_service.taxonomies.service import load_starters

_REPEATS = 20
_SINGLES = 200


def memory(field: str) -> int:
    """MiB of this process, by the name of a line in /proc/self/status."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(lines[field].split()[0]) // 1024


def main() -> None:
    """Print the figures."""
    started = time.perf_counter()
    taxonomies = load_starters()
    classifier = Classifier(SentenceEncoder(), taxonomies)
    print(f"open encoder and indexes  {time.perf_counter() - started:8.3f} s")
    unspsc = taxonomies.get("unspsc")
    texts = [f"{example} {node.title}" for node in unspsc.nodes for example in node.examples][: _REPEATS * 100]

    started = time.perf_counter()
    classifier.classify(unspsc, texts, top_k=5)
    batched = len(texts) / (time.perf_counter() - started)

    started = time.perf_counter()
    for text in texts[:: len(texts) // _SINGLES]:
        classifier.classify(unspsc, [text], top_k=5)
    single = len(texts[:: len(texts) // _SINGLES]) / (time.perf_counter() - started)

    print(f"baseline, one by one      {single:8.0f} texts/s  ({1000 / single:.2f} ms each)")
    print(f"in batches                {batched:8.0f} texts/s  ({batched / single:.2f} times the baseline)")
    print(f"memory                    {memory('VmRSS'):8d} MiB, of which {memory('RssAnon')} not shared")


if __name__ == "__main__":
    main()
