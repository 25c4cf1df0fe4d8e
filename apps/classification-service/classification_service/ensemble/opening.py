"""Opens trained models."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from classification_service.ensemble.errors import ModelFolderError
from classification_service.ensemble.features import feature_counts
from classification_service.ensemble.files import ARRAYS_FILE, DESCRIPTION_FILE, Arrays, Description, parts_of, read
from classification_service.ensemble.model import Model
from classification_service.ensemble.titles import Groups
from classification_service.ensemble.tree import Tree, digest
from classification_service.taxonomies.models import Taxonomy

_ID_DIGITS = 12


@dataclass(frozen=True, slots=True)
class OpenedModel:
    """A model that is ready to answer: `id` names it and changes with its bytes, `description` says what it is for."""

    id: str
    description: Description
    model: Model


def open_model(folder: Path, taxonomy: Taxonomy) -> OpenedModel:
    """The model in a folder, mapped from its files; takes about a second for a taxonomy of 156,514 codes.

    Raises ModelFolderError for a damaged model or one of another taxonomy, SafetensorsError for damaged arrays.
    """
    description, tensors = read(folder)
    if description.taxonomy != taxonomy.name or description.digest != digest(taxonomy):
        raise ModelFolderError(
            f"{folder} has a model for {description.taxonomy} {description.version}, and the codes of "
            f"{taxonomy.name} {taxonomy.version} are others. Train a model for this version."
        )
    tree = Tree(taxonomy)
    if list(description.levels) != tree.levels or len(description.calibrations) != len(tree.levels):
        raise ModelFolderError(f"{folder / DESCRIPTION_FILE} should have the levels {', '.join(tree.levels)}.")
    groups = Groups(tree)
    features, whole = feature_counts(len(tree.levels))
    path = folder / ARRAYS_FILE
    arrays = Arrays(path, tensors, codes=len(tree), groups=len(groups), features=features, whole=whole)
    parts = parts_of(arrays, description)
    return OpenedModel(f"ensemble-{_fingerprint(folder)}", description, Model(tree, groups, parts))


def _fingerprint(folder: Path) -> str:
    found = hashlib.sha256()
    for name in (DESCRIPTION_FILE, ARRAYS_FILE):
        with (folder / name).open("rb") as file:
            found.update(hashlib.file_digest(file, "sha256").digest())
    return found.hexdigest()[:_ID_DIGITS]
