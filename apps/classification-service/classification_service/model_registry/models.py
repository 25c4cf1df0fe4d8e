"""Trained models as they are kept."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from classification_service.taxonomies.importers.tree import LEVELS

_ID_CHARACTERS = 32


class Line(NamedTuple):
    """The models that may take each other's place: of one import of a version, trained on the labels of one tenant.

    `taxonomy_key` is that of Taxonomy, `tenant` is empty for none.
    """

    taxonomy: str
    version: str
    taxonomy_key: str
    tenant: str


@dataclass(frozen=True, slots=True)
class File:
    """A file of a model: its SHA-256 says whether it is whole."""

    name: str
    size: int
    sha256: str

    @classmethod
    def of(cls, name: str, content: bytes) -> "File":
        """The file with this content."""
        return cls(name, len(content), hashlib.sha256(content).hexdigest())


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What a model was made from: so many labels up to a generation, and a seed; `parent` served then."""

    labels: int
    generation: int
    seed: int
    parent: str | None
    created_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredModel:
    """A model without its files' content and its report. `accuracy` is of the report, at the deepest level that it has."""

    id: str
    line: Line
    files: Sequence[File]
    bytes: int
    origin: Origin
    created_at: datetime
    accuracy: "Accuracy | None"
    serving: bool


@dataclass(frozen=True, slots=True)
class Accuracy:
    """The share of the validation rows that a model answers rightly at a level."""

    level: str
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Activation:
    """The alias was moved to a model, None for titles, examples and labels alone."""

    line: Line
    model: str | None
    forced: bool
    activated_by: str
    activated_at: datetime


def model_id(line: Line, files: Sequence[File]) -> str:
    """The digest that names a model: the same files for the same line have the same."""
    content = [*line, *([file.name, file.size, file.sha256] for file in sorted(files, key=lambda file: file.name))]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:_ID_CHARACTERS]


def accuracy_of(taxonomy: str, *reports: Mapping[str, Any]) -> list[Accuracy]:
    """What each report has for the deepest level that all of them measured; nothing where there is none."""
    for level in reversed(LEVELS[taxonomy]):
        shares = [report.get("levels", {}).get(level, {}).get("accuracy") for report in reports]
        if None not in shares:
            return [Accuracy(level, float(share)) for share in shares]
    return []
