"""Runs in an image that has torch: prints how near the encoder's vectors and codes on ONNX Runtime and in torch are.

Both compute on the CPU. The texts are the names in products.csv beside this file, and longer ones made of several.
"""

import csv
import json
from pathlib import Path

from classification_service.classify.classifier import Classifier
from classification_service.encoder.encoder import SentenceEncoder
from classification_service.encoder.folder import shipped_folder
from classification_service.encoder.torch_backend import TorchBackend
from classification_service.taxonomies.service import load_starters

with Path(__file__).with_name("products.csv").open(encoding="utf-8", newline="") as file:
    names = [row["name"] for row in csv.DictReader(file)]
texts = names + [" and ".join(names[:count]) for count in range(2, 20)]
taxonomies = load_starters()
encoders = SentenceEncoder(), SentenceEncoder()
encoders[1].backend = TorchBackend(shipped_folder(), "cpu")
first, second = (encoder.encode(texts) for encoder in encoders)
codes = [
    [
        answer.node.code
        for taxonomy in taxonomies
        for answer in Classifier(encoder, taxonomies).classify(taxonomy, texts, 1)
    ]
    for encoder in encoders
]
found = {
    "texts": len(texts),
    "least_cosine": float((first * second).sum(axis=1).min()),
    "other_codes": sum(one != other for one, other in zip(*codes, strict=True)),
}
print(json.dumps(found))  # noqa: T201  it is what the test reads
