"""What GET /v1/models answers."""

from typing import Literal

from pydantic import BaseModel

from classification_service.classify.classifier import Classifier
from classification_service.taxonomies.service import Taxonomies


class ModelOut(BaseModel):
    """A model that is loaded: `id` is the model_version of its answers, `device` what it computes on."""

    id: str
    kind: Literal["title-index"] = "title-index"
    taxonomy: str
    taxonomy_version: str
    encoder: str
    dimension: int
    device: str
    threads: int

    @classmethod
    def all_of(cls, classifier: Classifier, taxonomies: Taxonomies) -> "list[ModelOut]":
        """One model per taxonomy."""
        encoder = classifier.encoder
        return [
            cls(
                id=classifier.model_version(taxonomy),
                taxonomy=taxonomy.name,
                taxonomy_version=taxonomy.version,
                encoder=encoder.name,
                dimension=encoder.dimension,
                device=encoder.backend.device,
                threads=encoder.threads,
            )
            for taxonomy in taxonomies
        ]


class ModelList(BaseModel):
    """The models that are loaded."""

    models: list[ModelOut]
