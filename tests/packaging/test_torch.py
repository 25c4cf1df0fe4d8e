"""In torch the classifier's encoder gives the vectors and codes that it gives on ONNX Runtime."""

import json

import pytest
from harness import flavours
from harness.figures import Figures
from harness.proofs import IMAGE_INPUTS, proof

from nexusctl.workspace import ROOT, Flavour, load

pytestmark = proof("torch", *IMAGE_INPUTS, "tests/harness/flavours.py", "tests/packaging/compare_encoders.py")
MIN_COSINE = 0.99999
WITH_TORCH = [flavour for flavour in load().flavours if flavour.app == "classification-service"]
SCRIPT = ROOT / "tests" / "packaging" / "compare_encoders.py"
MOUNTS = {
    SCRIPT: f"/workspace/{SCRIPT.name}",
    ROOT / "tests" / "stack" / "products.csv": "/workspace/products.csv",
}


@pytest.mark.parametrize("flavour", WITH_TORCH, ids=lambda flavour: flavour.name)
def test_vectors_and_codes_are_those_of_onnx_runtime(flavour: Flavour, build_path: str, figures: Figures) -> None:
    image = flavours.build(flavour, build_path)
    outcome = flavours.python(image, build_path, "-m", SCRIPT.stem, mounts=MOUNTS)
    assert outcome.status == 0, outcome.err
    found = json.loads(outcome.out)
    assert (found["texts"], found["other_codes"]) == (68, 0)
    figures.at_least(f"least cosine, torch and ONNX Runtime, {image}", found["least_cosine"], MIN_COSINE)
