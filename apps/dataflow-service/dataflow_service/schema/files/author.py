"""Writes files of migrations: from the models, without a database."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from dataflow_service.schema import planner
from dataflow_service.schema.changes import changes_between
from dataflow_service.schema.files import folder as folders
from dataflow_service.schema.files.errors import ModelsDifferError
from dataflow_service.schema.files.file import MigrationFile, Replaced
from dataflow_service.schema.files.folder import Folder
from dataflow_service.schema.steps import Steps
from dataflow_service.schema.tables import Schema, declared


@dataclass(frozen=True, slots=True)
class Written:
    """A file that was written, and those that it stands for, which were removed."""

    file: MigrationFile
    path: str
    removed: Sequence[str] = ()


class Author:
    """Writes the files of a package whose models declare `desired`. Every method raises MigrationError for faulty files."""

    def __init__(self, package: str, desired: Schema) -> None:
        self._path = folders.folder_of(package)
        self._desired = desired

    def check(self) -> Folder:
        """Return the files; raises ModelsDifferError where the models declare something else than they do."""
        folder = folders.read(self._path)
        if steps := self._steps(folder):
            raise ModelsDifferError(steps)
        return folder

    def make(self, words: str) -> Written | None:
        """Write what the models declare and no file does, behind all files; None where that is nothing."""
        folder = folders.read(self._path)
        return self._make(folder, folder.next_name(words))

    def merge(self, name: str) -> Written | None:
        """Make a file again behind all others, with those that build on it: what the models declare and the others do not.

        None where the others declare all of it.
        """
        folder = folders.read_unchecked(self._path)
        removed = [folder[name].name, *folder.descendants(name)]
        rest = folders.checked(folder.without(removed))
        written = self._make(rest, folder.next_name(name.partition("_")[2] or name))
        folder.remove(removed)
        return written and replace(written, removed=removed)

    def squash(self, last: str) -> Written:
        """Replace a file and those that it builds on by one that makes the same tables."""
        folder = folders.read(self._path)
        names = [name for name in folder.files if name in {folder[last].name, *folder.ancestors()[last]}]
        schema = folder.schema(names)
        file = MigrationFile(
            name=folder.next_name(f"squashed_{last.partition('_')[2] or last}"[:50]),
            replaces={name: Replaced(folder[name].checksum, folder[name].replaces) for name in names},
            steps=planner.steps_between({}, schema, declared({})),
            changes=changes_between({}, schema),
        )
        path = folder.write(file)
        folder.remove(names)
        return Written(file, str(path), names)

    def seal(self, name: str) -> str:
        """Give a file that was edited its checksum; return where it is."""
        return str(folders.seal(self._path / f"{name}.json"))

    def _make(self, folder: Folder, name: str) -> Written | None:
        steps = self._steps(folder)
        if not steps:
            return None
        before = folder.schema()
        file = MigrationFile(
            name=name,
            parents=_parents(folder),
            steps=steps,
            changes=changes_between(before, self._desired),
        )
        return Written(file, str(folder.write(file)))

    def _steps(self, folder: Folder) -> Steps:
        before = folder.schema()
        return planner.steps_between(before, self._desired, declared(before))


def _parents(folder: Folder) -> Mapping[str, str]:
    return {name: folder[name].checksum for name in folder.heads()}
