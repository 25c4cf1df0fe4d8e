"""What stands in for a trained model: it gives each text the first code of its taxonomy."""

from pathlib import Path
from typing import Any, cast

import numpy as np

from classification_service.encoder.encoders import Embedded
from classification_service.ensemble.files import Description
from classification_service.ensemble.model import Ranked
from classification_service.ensemble.opening import OpenedModel
from classification_service.taxonomies.models import Taxonomy


class _FirstCode:
    def rank(self, _titles: object, embedded: Embedded, *_others: object) -> list[Ranked]:
        first = Ranked(np.array([0]), np.array([0.9], np.float32), {0: 0.9})
        return [first for _ in embedded.texts]


def open_fake(folder: Path, taxonomy: Taxonomy) -> OpenedModel:
    """The model in a folder, whatever is in it; one that is called `unusable` cannot be opened."""
    if (folder / "name").read_text().startswith("unusable"):
        raise ZeroDivisionError("a fault of opening")
    another = (folder / "name").read_text().startswith("another encoder")
    description = Description(
        taxonomy=taxonomy.name,
        version=taxonomy.version,
        digest="",
        encoders={"another" if another else "all-minilm-l6-v2": 384, "use-multilingual-v3": 512},
        levels=[],
        calibrations=[],
        thresholds={},
    )
    return OpenedModel(folder.name, description, cast("Any", _FirstCode()))
