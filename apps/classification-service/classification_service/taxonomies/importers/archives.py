"""Compressed files, read without writing anything to a disk and never further than a limit."""

import gzip
import io
import zipfile
import zlib
from typing import BinaryIO, Protocol, override

from classification_service.taxonomies.importers.errors import fault

MAX_UNPACKED_BYTES = 1024**3
"""Bytes of one unpacked file: far more than the largest official one, and little enough to be read in a minute."""

_MAX_MEMBERS = 1000
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, gzip.BadGzipFile, NotImplementedError, RuntimeError)


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


class Limited(io.RawIOBase):
    """A stream of unpacked bytes that raises TaxonomyFileError where it is longer than a limit or broken."""

    def __init__(self, stream: _Readable, name: str, limit: int = MAX_UNPACKED_BYTES) -> None:
        self._stream = stream
        self._name = name
        self._left = limit
        self._limit = limit

    @override
    def readable(self) -> bool:
        return True

    @override
    def readinto(self, buffer: "bytearray | memoryview") -> int:  # type: ignore[override]  # what io passes
        try:
            part = self._stream.read(len(buffer))
        except _BROKEN as error:
            raise fault(self._name, f"it cannot be unpacked: {error}. Download it again") from None
        self._left -= len(part)
        if self._left < 0:
            raise fault(
                self._name, f"it unpacks to more than {self._limit // 1024**2} MiB, which no official file does"
            )
        buffer[: len(part)] = part
        return len(part)


class Archive:
    """A zip archive; `names` are those of its files. Raises TaxonomyFileError where it is none."""

    def __init__(self, file: BinaryIO) -> None:
        try:
            self._zip = zipfile.ZipFile(file)
        except _BROKEN as error:
            raise fault("", f"The file is not a readable zip archive: {error}. Download it again.") from None
        self.names = [entry.filename for entry in self._zip.infolist() if not entry.is_dir()]
        if len(self.names) > _MAX_MEMBERS:
            raise fault("", f"The archive has {len(self.names)} files; official ones have fewer than {_MAX_MEMBERS}.")

    def find(self, name: str) -> str | None:
        """The path of the file of that name, in whatever folder and case."""
        return next((path for path in self.names if path.rpartition("/")[2].lower() == name.lower()), None)

    def open(self, path: str) -> io.BufferedReader:
        """A file as a stream."""
        try:
            return io.BufferedReader(Limited(self._zip.open(path), path))
        except _BROKEN as error:
            raise fault(path, f"it cannot be unpacked: {error}. Download it again") from None
        except KeyError:
            raise fault("", f"The archive has no file {path}.") from None


def open_plain(file: BinaryIO, name: str) -> io.BufferedReader:
    """The bytes of a file that is not compressed."""
    return io.BufferedReader(Limited(file, name))


def open_gzip(file: BinaryIO, name: str) -> io.BufferedReader:
    """The unpacked bytes of a gzip file."""
    return io.BufferedReader(Limited(gzip.GzipFile(fileobj=file), name))
