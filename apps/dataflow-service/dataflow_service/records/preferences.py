"""What clients prefer of answers (RFC 7240): `numbers=string`, for clients whose numbers are doubles, and `respond-async`."""

import re
from collections.abc import Iterator, Mapping

from starlette.datastructures import Headers

_PREFERENCE = re.compile(r'(?:[^",]|"(?:[^"\\]|\\.)*+")++')
_PLAIN: Mapping[str, str] = {"Vary": "Prefer"}
_APPLIED: Mapping[str, str] = {"Vary": "Prefer", "Preference-Applied": "numbers=string"}


def prefers_texts(headers: Headers) -> bool:
    """Whether a client wants 64 bit integers as strings. Other preferences are ignored, and of several the first counts."""
    for name, value in _preferences(headers):
        if name == "numbers":
            return value in {"string", '"string"'}
    return False


def prefers_asynchrony(headers: Headers) -> bool:
    """Whether a client wants an answer before the work is done."""
    return any(name == "respond-async" for name, _ in _preferences(headers))


def _preferences(headers: Headers) -> Iterator[tuple[str, str]]:
    lines = headers.getlist("prefer")
    if not lines:
        return
    for preference in _PREFERENCE.findall(",".join(lines)):
        name, _, value = preference.partition(";")[0].partition("=")
        yield name.strip().lower(), value.strip()


def preference_applied(*, texts: bool) -> Mapping[str, str]:
    """Return the header fields of an answer that depends on the preference."""
    return _APPLIED if texts else _PLAIN
