"""Text files of the application."""

from pathlib import Path

from nexus_python import errors


def read_text(path: Path) -> str:
    """Return the text of a file in UTF-8, with or without a byte order mark.

    Raises:
        BuildError: the file is in another encoding.
    """
    data = path.read_bytes()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise errors.not_utf8(path.name, data[:4], error.start) from error
