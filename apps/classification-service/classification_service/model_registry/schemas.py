"""What GET /v1/models returns."""

from typing import Literal

from pydantic import BaseModel, ConfigDict


class ModelOut(BaseModel):
    """A model that is loaded: `id` is the model_version of its answers, `device` what it computes on.

    `languages` are those of the texts that it was trained on, as first subtags of BCP 47 tags.
    """

    model_config = ConfigDict(from_attributes=True)

    id: str
    kind: Literal["title-index"] = "title-index"
    taxonomy: str
    taxonomy_version: str
    encoder: str
    dimension: int
    device: str
    threads: int
    languages: list[str]


class ModelList(BaseModel):
    """The models that are loaded."""

    models: list[ModelOut]
