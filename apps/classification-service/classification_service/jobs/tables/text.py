"""Text files: their encoding found, bytes that are not of it kept, lines of bounded length."""

import codecs
import io
import re
from collections.abc import Iterator
from typing import BinaryIO, override

from classification_service.jobs.errors import TableFileError

ENCODINGS = (
    *("utf-8", "utf-16", "utf-16-le", "utf-16-be", "windows-1250", "windows-1251", "windows-1252"),
    *("iso-8859-1", "iso-8859-2", "iso-8859-15", "shift_jis", "gb18030"),
)
"""What a sender may say that a file is in."""

MAX_ROW = 1024 * 1024
"""Characters of one row."""

SAMPLE_BYTES = 256 * 1024
"""Bytes at the beginning of a file that its form is found by."""

_BOMS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_MARK = 0xDC00  # a byte that cannot be decoded becomes this lone surrogate plus the byte
_MARKED = re.compile("[\udc00-\udcff]")
_BEYOND_ASCII = re.compile("[^\x00-\x7f\udc00-\udcff]")
_LONE = re.compile("[\ud800-\udfff]")


def _mark(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "".join(chr(_MARK + byte) for byte in error.object[error.start : error.end]), error.end


codecs.register_error("nexus-mark", _mark)


def undecodable(text: str) -> int | None:
    """The first byte in a text of `open_text` that is not of its encoding, None for none."""
    found = _MARKED.search(text)
    return None if found is None else ord(found[0]) - _MARK


def encode(text: str, *, restored: bool) -> bytes:
    """The text in UTF-8. Bytes that could not be decoded are as they were, if `restored`, else U+FFFD."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        pass
    try:
        return text.encode(errors="surrogateescape" if restored else "strict")
    except UnicodeEncodeError:
        return _LONE.sub("\ufffd", text).encode()


def encoding_of(sample: bytes, stated: str | None) -> str:
    """What to read a file with: the stated encoding, or the one that is found; raises as `find_encoding` does."""
    if stated is None:
        return find_encoding(sample)
    if stated not in ENCODINGS:
        raise TableFileError(f"The encoding {stated!r} is not known here. Known are: {', '.join(ENCODINGS)}.")
    return "utf-8-sig" if stated == "utf-8" and sample.startswith(codecs.BOM_UTF8) else stated


def find_encoding(sample: bytes) -> str:
    """The encoding that the beginning of a file is in: UTF-8, or UTF-16 by its byte order mark or its zeros.

    Raises TableFileError, which names the encoding that it may be in, for any other.
    """
    if (marked := next((name for mark, name in _BOMS if sample.startswith(mark)), None)) is not None:
        return marked
    if 0 in sample:
        return _utf16(sample)
    _check_utf8(sample)
    return "utf-8"


def _utf16(sample: bytes) -> str:
    odd, even = sample[1::2].count(0), sample[::2].count(0)
    if odd > 10 * even:
        return "utf-16-le"
    if even > 10 * odd:
        return "utf-16-be"
    raise TableFileError(
        f"The file is no text: byte {sample.index(0)} is 0x00. Send CSV, JSON Lines, or XLSX (not XLS) without a password."
    )


def is_utf8(sample: bytes) -> bool:
    """Whether the beginning of a file is in UTF-8; single faults in it are those of their rows."""
    text = _marked(sample)
    return len(_MARKED.findall(text)) <= len(_BEYOND_ASCII.findall(text))


def _marked(sample: bytes) -> str:
    return codecs.getincrementaldecoder("utf-8")("nexus-mark").decode(sample)


def _check_utf8(sample: bytes) -> None:
    text = _marked(sample)
    fault = _MARKED.search(text)
    if fault is not None and not is_utf8(sample):
        line = text.count("\n", 0, fault.start()) + 1
        byte = ord(fault[0]) - _MARK
        raise TableFileError(f"The file is not in UTF-8: line {line} has the byte {byte:#04x}. {_suggestion(sample)}")


def _suggestion(sample: bytes) -> str:
    if guess_encoding(sample) == "windows-1252":
        return "It may be in windows-1252: say so by `encoding`, or save it as UTF-8."
    return f"Say by `encoding` what it is in ({', '.join(ENCODINGS)}), or save it as UTF-8."


def guess_encoding(sample: bytes) -> str:
    """What a text that is not in UTF-8 may be in, for a person to decide."""
    try:
        sample.decode("windows-1252")
    except UnicodeDecodeError:
        return "iso-8859-1"
    return "windows-1252"


def open_text(file: BinaryIO, encoding: str) -> io.TextIOWrapper:
    """The file from its beginning as text, with line ends as they are; what cannot be decoded is marked."""
    file.seek(0)
    return io.TextIOWrapper(io.BufferedReader(_Borrowed(file)), encoding, errors="nexus-mark", newline="")


class _Borrowed(io.RawIOBase):
    """A file that stays open when the text around it is closed or collected."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    @override
    def readable(self) -> bool:
        return True

    @override
    def readinto(self, buffer: "bytearray | memoryview") -> int:  # type: ignore[override]  # what io passes
        part = self._file.read(len(buffer))
        buffer[: len(part)] = part
        return len(part)


def lines(text: io.TextIOWrapper) -> Iterator[tuple[int, str]]:
    """Each line with its number, from 1; raises TableFileError for one that is longer than a row may be."""
    number = 0
    while line := text.readline(MAX_ROW + 1):
        number += 1
        if len(line) > MAX_ROW:
            raise TableFileError(f"Line {number} of the file has more than {MAX_ROW} characters. Shorten or remove it.")
        yield number, line
