"""What clients prefer of answers (RFC 7240): `numbers=string`, for clients whose numbers are doubles."""

import re
from collections.abc import Mapping

from starlette.datastructures import Headers

_PREFERENCE = re.compile(r'(?:[^",]|"(?:[^"\\]|\\.)*+")++')
_PLAIN: Mapping[str, str] = {"Vary": "Prefer"}
_APPLIED: Mapping[str, str] = {"Vary": "Prefer", "Preference-Applied": "numbers=string"}


def prefers_texts(headers: Headers) -> bool:
    """Whether a client wants 64 bit integers as strings. Other preferences are ignored, and of several the first counts."""
    lines = headers.getlist("prefer")
    if not lines:
        return False
    for preference in _PREFERENCE.findall(",".join(lines)):
        name, _, value = preference.partition(";")[0].partition("=")
        if name.strip().lower() == "numbers":
            return str(value).strip() in {"string", '"string"'}
    return False


def preference_applied(*, texts: bool) -> Mapping[str, str]:
    """Return the header fields of an answer that depends on the preference."""
    return _APPLIED if texts else _PLAIN
