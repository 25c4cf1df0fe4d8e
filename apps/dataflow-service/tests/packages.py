"""Packages of models whose migrations tests write and apply; the tables are given, as models would declare them."""

import hashlib
import json
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

from dataflow_service.schema.files.author import Author, Written
from dataflow_service.schema.files.folder import Folder, read
from dataflow_service.schema.files.service import FileMigrations
from dataflow_service.schema.migration import Migration
from dataflow_service.schema.tables import Schema
from nexus_chassis.settings import PostgresSettings


class Package:
    """A package without models, in a folder that can be imported from, and its migrations."""

    def __init__(self, path: Path, settings: PostgresSettings) -> None:
        path.mkdir()
        (path / "__init__.py").touch()
        self.path, self._settings = path, settings

    @property
    def folder(self) -> Path:
        return self.path / "migrations"

    @property
    def files(self) -> Folder:
        return read(self.folder)

    @property
    def names(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir())

    def edit(self, name: str, **members: object) -> Path:
        """Give a file other members, as in an editor: its checksum stays."""
        path = self.folder / f"{name}.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **members}))
        return path

    def seal(self, name: str, **members: object) -> Path:
        """Give a file other members and their checksum, as a hostile person would, whatever it says then."""
        content = json.loads(self.edit(name, **members).read_text())
        path = self.folder / f"{content['name']}.json"
        content.pop("checksum")
        text = json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        (self.folder / f"{name}.json").unlink()
        path.write_text(json.dumps({**content, "checksum": hashlib.sha256(text.encode()).hexdigest()}))
        return path

    def author(self, schema: Schema) -> Author:
        sys.path_importer_cache.clear()
        return Author(self.path.name, schema)

    def make(self, schema: Schema, words: str) -> Written:
        written = self.author(schema).make(words)
        assert written is not None
        return written

    def branch(self, path: Path) -> "Package":
        """A copy, as of another branch."""
        other = Package(path, self._settings)
        shutil.copytree(self.folder, other.folder)
        return other

    def take(self, other: "Package") -> None:
        """Take the files of another branch that are not here, as version control does."""
        for path in other.folder.iterdir():
            shutil.copy(path, self.folder)

    def service(self, names: Iterable[str] | None = None) -> FileMigrations:
        """The migrations of a database, by all files or some."""
        files = self.files
        return FileMigrations(
            self._settings, files if names is None else files.without(files.files.keys() - set(names))
        )

    async def apply(self, *, destructive: bool = False) -> list[Migration]:
        return await self.service().apply(destructive=destructive)
