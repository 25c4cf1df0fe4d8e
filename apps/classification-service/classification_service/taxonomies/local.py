"""Taxonomies of official files, in memory: for commands that need no database."""

from pathlib import Path

from classification_service.errors import ClassificationServiceError
from classification_service.taxonomies.importers.detection import open_reader
from classification_service.taxonomies.importers.records import NodeRecord
from classification_service.taxonomies.importers.tree import Tree
from classification_service.taxonomies.models import NewVersion, Node, Taxonomy, TaxonomyFile


class TaxonomyPathError(ClassificationServiceError):
    """The file of a taxonomy cannot be read."""


def read_taxonomy(path: Path, new: NewVersion) -> Taxonomy:
    """The codes of an official file, in the order in which an import stores them, with synonyms as examples.

    Raises TaxonomyPathError, TaxonomyFileError.
    """
    try:
        with path.open("rb") as file:
            records = Tree(new.name).checked(open_reader(file, new.name, new.language).records())
            nodes = tuple(
                Node(record.code, record.level, record.title, record.parent, record.synonyms)
                for record in records
                if isinstance(record, NodeRecord)
            )
    except OSError as error:
        raise TaxonomyPathError(f"{path} cannot be read: {error.strerror}.") from None
    return Taxonomy.of_file(TaxonomyFile(new.name, new.version, f"{new.name.upper()} {new.version}", nodes))
