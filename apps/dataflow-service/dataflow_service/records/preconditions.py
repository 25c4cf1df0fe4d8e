"""The version of a row as an entity tag (RFC 9110 section 8.8.3), and the header fields that ask for versions (section 13.1)."""

import re
from collections.abc import Callable, Sequence

from starlette.datastructures import Headers

from dataflow_service.records.errors import (
    InvalidEntityTagsError,
    NoVersionError,
    VersionMismatchError,
    VersionRequiredError,
)
from dataflow_service.records.repository import Row, Versions
from dataflow_service.registry.model import ROW_VERSION, Model

_TEXTS = "-s"  # ends the tag of a row whose integers are strings: other bytes, so another strong tag (section 8.8.3.3)
_TAG = r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*+"'
_TAGS = re.compile(rf"[ \t,]*+{_TAG}(?:[ \t]*+,[ \t,]*+{_TAG})*+[ \t,]*+")
_VERSION = re.compile(rf'"([1-9][0-9]{{0,18}})(?:{_TEXTS})?"')
_MAX_VERSION = 2**63 - 1


def entity_tag(version: int, *, texts: bool = False) -> str:
    """Return the strong entity tag of a version; with `texts`, of the row with integers as strings."""
    return f'"{version}{_TEXTS}"' if texts else f'"{version}"'


def etag(row: Row, *, texts: bool = False) -> dict[str, str]:
    """Return the header field ETag of a row."""
    return {"ETag": entity_tag(row[ROW_VERSION], texts=texts)}


def wanted_versions(model: Model, headers: Headers) -> Versions:
    """Return the versions in If-Match: those of strong tags, as weak ones never match.

    Raises:
        VersionRequiredError: The model demands If-Match, and there is none.
        InvalidEntityTagsError: It is neither a list of entity tags nor `*`.
    """
    lines = headers.getlist("if-match")
    if not lines:
        if model.requires_if_match:
            raise VersionRequiredError(model.name)
        return None
    tags = _tags("If-Match", lines)
    return None if tags is None else [version for tag in tags if (version := _version(tag)) is not None]


type CheckOfUpsert = Callable[[Row, int | None], None]
"""Takes the row that an upsert has written, and the version that it found, None where the row is new."""


def check_of_upsert(model: Model, headers: Headers) -> CheckOfUpsert:
    """Return what checks If-Match once a row is written: its transaction is undone where it raises.

    A new row has no version that could be named. The check raises NoVersionError, VersionMismatchError or VersionRequiredError.

    Raises:
        InvalidEntityTagsError: If-Match is neither a list of entity tags nor `*`.
    """
    lines = headers.getlist("if-match")
    tags = _tags("If-Match", lines) if lines else None

    def check(row: Row, found: int | None) -> None:
        if not lines:
            if found is not None and model.requires_if_match:
                raise VersionRequiredError(model.name)
        elif found is None:
            raise NoVersionError(model.path)
        elif tags is not None and found not in map(_version, tags):
            raise VersionMismatchError(model.path, str(row["id"]), found)

    return check


def is_known(headers: Headers, tag: str) -> bool:
    """Whether If-None-Match says that the caller has what has an entity tag.

    Raises:
        InvalidEntityTagsError: It is neither a list of entity tags nor `*`.
    """
    lines = headers.getlist("if-none-match")
    if not lines:
        return False
    tags = _tags("If-None-Match", lines)
    return tags is None or tag in [known.removeprefix("W/") for known in tags]


def _tags(header: str, lines: Sequence[str]) -> list[str] | None:
    """Return the entity tags of a header field, None for `*`."""
    text = ",".join(lines)
    if text.strip(" \t") == "*":
        return None
    if not _TAGS.fullmatch(text):
        raise InvalidEntityTagsError(header)
    return re.findall(_TAG, text)


def _version(tag: str) -> int | None:
    match = _VERSION.fullmatch(tag)
    version = None if match is None else int(match[1])
    return version if version is not None and version <= _MAX_VERSION else None
