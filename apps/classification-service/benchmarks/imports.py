"""The official table of UNSPSC, imported, embedded and served: seconds, seconds of CPU and memory of each step.

Run: NEXUS_POSTGRES_URL=... NEXUS_POSTGRES_PASSWORD_FILE=... python benchmarks/imports.py FILE [VERSION]
(from the app's folder, with the app installed or on PYTHONPATH). The baseline is the encoder with full weights, on a part.
"""

import asyncio
import csv
import gzip
import random
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from classification_service.classify.classifier import Classifier
from classification_service.encoder.encoder import SentenceEncoder
from classification_service.settings import MIGRATIONS, Settings
from classification_service.taxonomies.embedding import Embedder
from classification_service.taxonomies.following import Follower
from classification_service.taxonomies.imports import import_file
from classification_service.taxonomies.models import NewVersion
from classification_service.taxonomies.service import Taxonomies, load_starters
from nexus_chassis.postgres import open_database
from nexus_chassis.settings import load
from nexus_chassis.unit_of_work import Database
from nexus_chassis.worker_count import automatic_workers

_SAMPLE = 2000
_BATCH = 32


def main() -> None:
    """Print the figures."""
    path = Path(sys.argv[1])
    version = sys.argv[2] if len(sys.argv) > 2 else f"benchmark-{int(time.time())}"  # noqa: PLR2004  an argument
    with tempfile.TemporaryDirectory() as folder:
        tempfile.tempdir = folder
        asyncio.run(_measure(path, version))


@contextmanager
def _step(name: str) -> Iterator[None]:
    wall, cpu = time.perf_counter(), time.process_time()
    yield
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"{name:<34}{wall:8.1f} s{cpu:8.1f} s of CPU, peak {peak:5d} MiB", flush=True)


async def _measure(path: Path, version: str) -> None:
    settings = load(Settings)
    if settings.postgres is None:
        raise SystemExit("Set NEXUS_POSTGRES_URL and NEXUS_POSTGRES_PASSWORD_FILE.")
    async with open_database(settings.postgres, MIGRATIONS) as database:
        taxonomies = load_starters()
        classifier = Classifier(SentenceEncoder(), taxonomies)
        with _step("all steps"):
            await _import(database, path, version, taxonomies, classifier)
        _classify(classifier, taxonomies, version)
    _compare_encoders(path)


async def _import(database: Database, path: Path, version: str, taxonomies: Taxonomies, classifier: Classifier) -> None:
    with _step("imported"), path.open("rb") as file:
        imported = await import_file(database, file, NewVersion("unspsc", version), "benchmark")
    follower = Follower(database, taxonomies, classifier.encoders, classifier.add)
    embedder = Embedder(database, classifier.encoders, automatic_workers())
    with _step(f"embedded, {automatic_workers()} threads, {imported.codes} codes"):
        await embedder.embed_first(lambda _: None)
    with _step("packed and loaded"):
        await follower.follow()
    with _step("embedded for other languages, packed and loaded"):
        await embedder.embed_all()
        await follower.follow()
    embedder.close()


def _classify(classifier: Classifier, taxonomies: Taxonomies, version: str) -> None:
    taxonomy = taxonomies.get("unspsc", version)
    texts = [f"{node.title} 25 mm" for node in random.Random(1).sample(list(taxonomy.nodes), 320)]  # noqa: S311  a sample
    with _step("classified 32 single texts"):
        for text in texts[:_BATCH]:
            classifier.classify(taxonomy, [text], 5)
    with _step("classified 320 texts in batches"):
        for start in range(0, len(texts), _BATCH):
            classifier.classify(taxonomy, texts[start : start + _BATCH], 5)


def _compare_encoders(path: Path) -> None:
    if not path.name.endswith(".csv.gz"):
        return
    with gzip.open(path, "rt", encoding="utf-8") as file:
        titles = [row["title"] for row in csv.DictReader(file)]
    sample = random.Random(1).sample(titles, _SAMPLE)  # noqa: S311  a sample
    encoder = SentenceEncoder()
    rates = []
    for name, one in (("baseline, full weights", encoder), ("weights of one byte", encoder.for_titles())):
        started = time.process_time()
        one.encode(sample)
        rates.append(_SAMPLE / (time.process_time() - started))
        print(f"{name:<34}{rates[-1]:8.0f} titles per second of CPU ({rates[-1] / rates[0]:.1f} times the baseline)")


if __name__ == "__main__":
    main()
