"""Tables of full size, where the folder with reference data is there: NEXUS_REFERENCE_DATA, or ../shared/data beside the tree."""

import csv
import gzip
import io
import os
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import official_files as files
import pytest
from conftest import APP

from classification_service.taxonomies.importers.detection import open_reader
from classification_service.taxonomies.importers.records import NodeRecord
from classification_service.taxonomies.importers.tree import Tree

DATA = Path(os.environ.get("NEXUS_REFERENCE_DATA", APP.parents[2] / "shared" / "data"))
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"the reference data is not in {DATA}")


def table(name: str) -> Iterator[dict[str, str]]:
    with gzip.open(DATA / name, "rt", encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


def count(content: bytes, taxonomy: str) -> tuple[Counter[str], int]:
    """The records of each kind, codes by their level; and the peak of memory in MiB."""
    found: Counter[str] = Counter()
    tracemalloc.start()
    for record in Tree(taxonomy).checked(open_reader(io.BytesIO(content), taxonomy, "en").records()):
        found[record.level if isinstance(record, NodeRecord) else type(record).__name__] += 1
    peak = tracemalloc.get_traced_memory()[1] // 1024**2
    tracemalloc.stop()
    return found, peak


@needs_data
def test_the_whole_table_of_unspsc_is_read_in_little_memory() -> None:
    found, peak = count((DATA / "unspsc" / "codes.csv.gz").read_bytes(), "unspsc")
    assert found == {"segment": 58, "family": 547, "class": 7905, "commodity": 148_004}
    assert peak < 80


@needs_data
def test_etim_of_full_size_is_read_in_little_memory() -> None:
    classes = list(table("etim/classes.csv.gz"))
    features = [row["feature_id"] for row in table("etim/features.csv.gz")]
    maps = [[str(n), row["class_id"], features[n * 31 % len(features)], "A"] for n, row in enumerate(classes * 13)]
    values = list(table("etim/value_class_map.csv.gz"))
    groups = sorted({row["group_id"] for row in classes})
    content = files.etim_zip(
        {
            "ETIMARTGROUP.csv": [["ARTGROUPID", "GROUPDESC"], *([group, f"Group {group}"] for group in groups)],
            "ETIMARTCLASS.csv": [
                ["ARTCLASSID", "ARTGROUPID", "ARTCLASSDESC"],
                *([row["class_id"], row["group_id"], row["description_en"]] for row in classes),
            ],
            "ETIMARTCLASSSYNONYMMAP.csv": [
                ["ARTCLASSID", "CLASSSYNONYM"],
                *([row["class_id"], row["synonym"]] for row in table("etim/synonyms_train.csv.gz")),
            ],
            "ETIMFEATURE.csv": [
                ["FEATUREID", "FEATUREDESC"],
                *([row["feature_id"], row["description_en"]] for row in table("etim/features.csv.gz")),
            ],
            "ETIMVALUE.csv": [
                ["VALUEID", "VALUEDESC"],
                *([row["value_id"], row["description_en"]] for row in table("etim/values.csv.gz")),
            ],
            "ETIMARTCLASSFEATUREMAP.csv": [["ARTCLASSFEATURENR", "ARTCLASSID", "FEATUREID", "FEATURETYPE"], *maps],
            "ETIMARTCLASSFEATUREVALUEMAP.csv": [
                ["ARTCLASSFEATURENR", "VALUEID"],
                *([str(n % len(maps)), row["value_id"]] for n, row in enumerate(values)),
            ],
        }
    )
    found, peak = count(content, "etim")
    assert found == {
        "group": len(groups),
        "class": 5640,
        "TermRecord": 17_377 + 16_163 + 1,
        "ClassFeatureRecord": 5640 * 13,
    }
    assert peak < 120
