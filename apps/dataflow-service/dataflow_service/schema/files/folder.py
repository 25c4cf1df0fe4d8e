"""The folder `migrations` of a package of models: its files, in the order in which they build on each other."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from importlib.util import find_spec
from itertools import combinations
from pathlib import Path

from dataflow_service.schema import sql
from dataflow_service.schema.changes import changed, conflicts
from dataflow_service.schema.files.errors import (
    ConflictError,
    CyclicFilesError,
    EditedFileError,
    EqualNamesError,
    InvalidNameError,
    NoFolderError,
    NoSuchFileError,
    OtherNameError,
    UnknownParentError,
    UnreadableFileError,
    UnwritableFileError,
)
from dataflow_service.schema.files.file import MigrationFile, Replaced, dump, load, sealed
from dataflow_service.schema.tables import Schema

_NAME = re.compile(r"[a-z0-9_]{1,50}")
_NUMBER = re.compile(r"([0-9]{4})_")


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder and its files by name, each behind those that it builds on."""

    path: Path
    files: Mapping[str, MigrationFile]

    def __getitem__(self, name: str) -> MigrationFile:
        """Return a file; raises NoSuchFileError."""
        if name not in self.files:
            raise NoSuchFileError(name, list(self.files))
        return self.files[name]

    def parents(self, name: str) -> set[str]:
        """Return the files that one builds on; for one that was squashed the file in its place."""
        return _parents(self.files, name)

    def ancestors(self) -> dict[str, set[str]]:
        """Return for each file those that must be applied before it."""
        found: dict[str, set[str]] = {}
        for name in self.files:
            parents = self.parents(name)
            found[name] = parents.union(*(found[parent] for parent in parents))
        return found

    def descendants(self, name: str) -> list[str]:
        """Return the files that one must be applied before."""
        return [other for other, before in self.ancestors().items() if name in before]

    def heads(self) -> list[str]:
        """Return the files that none builds on."""
        built_on = {parent for name in self.files for parent in self.parents(name)}
        return [name for name in self.files if name not in built_on]

    def schema(self, names: Iterable[str] | None = None) -> Schema:
        """Return the tables that files make, all unless some are named, as the database has them then."""
        wanted = self.files.keys() if names is None else set(names)
        changes = [change for name, file in self.files.items() if name in wanted for change in file.changes]
        return sql.as_made(changed({}, changes))

    def without(self, names: Iterable[str]) -> "Folder":
        """Return the folder as it is without some files, which are not removed by this."""
        left = set(names)
        return Folder(self.path, {name: file for name, file in self.files.items() if name not in left})

    def next_name(self, words: str) -> str:
        """Return the name of the next file; raises InvalidNameError."""
        if not _NAME.fullmatch(words):
            raise InvalidNameError(words)
        taken = {*self.files, *(name for file in self.files.values() for name in file.replaces)}
        numbers = [int(found[1]) for name in taken if (found := _NUMBER.match(name))]
        return f"{max(numbers, default=0) + 1:04d}_{words}"

    def write(self, file: MigrationFile) -> Path:
        """Write a file that is not there yet, wholly or not at all; raises UnwritableFileError."""
        path = self.path / f"{file.name}.json"
        try:
            self.path.mkdir(exist_ok=True)
            if path.exists():
                raise FileExistsError(17, "there is such a file already")
            _replace(path, dump(file))
        except OSError as error:
            raise UnwritableFileError(path, str(error.strerror)) from None
        return path

    def remove(self, names: Iterable[str]) -> None:
        """Remove files; raises UnwritableFileError."""
        for path in (self.path / f"{name}.json" for name in names):
            try:
                path.unlink()
            except OSError as error:
                raise UnwritableFileError(path, str(error.strerror)) from None


def _replace(path: Path, text: str) -> None:
    """A process that is killed meanwhile leaves no half a file, and nothing that counts as one."""
    draft = path.with_suffix(".draft")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)


def folder_of(package: str) -> Path:
    """Return where the migrations of a package of models are, whether there are any; raises NoFolderError."""
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise NoFolderError(package)
    return Path(next(iter(spec.submodule_search_locations))) / "migrations"


def seal(path: Path) -> Path:
    """Give a file that was edited its checksum; raises UnreadableFileError and UnwritableFileError."""
    try:
        text = sealed(_bytes(path))
    except ValueError as error:
        raise UnreadableFileError(path, str(error)) from None
    try:
        _replace(path, text)
    except OSError as error:
        raise UnwritableFileError(path, str(error.strerror)) from None
    return path


def read(path: Path) -> Folder:
    """Return the files of a folder, which fit together; none where there is no folder.

    Raises:
        MigrationError: A file is not what the tool wrote, the files do not fit together, or two of them conflict.
    """
    return checked(read_unchecked(path))


def read_unchecked(path: Path) -> Folder:
    """Return the files of a folder, of which some may conflict; raises as `read` for other faults.

    What a squashed file replaces counts no longer, should it be there still.
    """
    paths = sorted(path.glob("*.json"))
    _refuse_equal_names([path.stem for path in paths])
    files = {path.stem: _read(path) for path in paths}
    replaced = {name for file in files.values() for name in file.replaces}
    return Folder(path, _ordered({name: file for name, file in files.items() if name not in replaced}))


def checked(folder: Folder) -> Folder:
    """Return a folder whose files fit together; raises MigrationError."""
    _check_parents(folder.files)
    _refuse_conflicts(folder)
    schema: Schema = {}
    for name, file in folder.files.items():
        try:
            schema = changed(schema, file.changes)
        except ValueError as error:
            raise UnreadableFileError(folder.path / f"{name}.json", str(error)) from None
    return folder


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UnreadableFileError(path, str(error.strerror)) from None


def _read(path: Path) -> MigrationFile:
    try:
        file, digest = load(_bytes(path))
    except ValueError as error:
        raise UnreadableFileError(path, str(error)) from None
    if file.checksum != digest:
        raise EditedFileError(path, file.checksum, digest)
    if file.name != path.stem:
        raise OtherNameError(path, file.name)
    return file


def _refuse_equal_names(names: Sequence[str]) -> None:
    for name in names:
        if len(equal := [other for other in names if other.casefold() == name.casefold()]) > 1:
            raise EqualNamesError(equal)


def _place(files: Mapping[str, MigrationFile], name: str) -> str:
    """Return the file that stands for another one: itself, or what it was squashed into."""
    return next((file.name for file in files.values() if name in file.replaces), name)


def _parents(files: Mapping[str, MigrationFile], name: str) -> set[str]:
    return {_place(files, parent) for parent in files[name].parents} & files.keys()


def _ordered(files: Mapping[str, MigrationFile]) -> Mapping[str, MigrationFile]:
    """Return files behind those that they build on; those of which none is first by name."""
    sorter, order = TopologicalSorter({name: _parents(files, name) for name in files}), []
    try:
        sorter.prepare()
    except CycleError as error:
        raise CyclicFilesError(sorted(set(error.args[1]))) from None
    while sorter.is_active():
        ready = sorted(sorter.get_ready())
        order += ready
        sorter.done(*ready)
    return {name: files[name] for name in order}


def _check_parents(files: Mapping[str, MigrationFile]) -> None:
    replaced: dict[str, Replaced] = {}
    for file in files.values():
        replaced |= file.replaces
    known = {name: one.checksum for name, one in replaced.items()} | {name: one.checksum for name, one in files.items()}
    for name, file in files.items():
        for parent, checksum in file.parents.items():
            if known.get(parent) != checksum:
                raise UnknownParentError(name, parent, known.get(parent))


def _refuse_conflicts(folder: Folder) -> None:
    before = folder.ancestors()
    for one, other in combinations(folder.files, 2):
        beside = one not in before[other] and other not in before[one]
        if beside and (places := conflicts(folder.files[one].changes, folder.files[other].changes)):
            raise ConflictError(one, other, places)
