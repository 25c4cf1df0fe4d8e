"""Forms of pages."""

from urllib.parse import parse_qsl

from starlette.requests import Request

from nexus_chassis.limits import SMALL_BODY_BYTES
from nexus_chassis.problems import Problem
from nexus_chassis.request_body import read_body
from nexus_gateway.pages.visit import FORM_TOKEN, visit_of

FORM_TYPE = "application/x-www-form-urlencoded"
_MAX_FIELDS = 50


async def read_form(request: Request) -> dict[str, str]:
    """The fields of a form that one of the gateway's pages sent to this browser.

    Raises ForeignRequestError, and Problem 400, 413 or 415.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM_TYPE:
        detail = f"Send the form as {FORM_TYPE}."
        raise Problem(415, "unsupported-media-type", "The body is not of a type that is accepted here", detail)
    fields = _parse(await read_body(request, SMALL_BODY_BYTES))
    visit_of(request).require_own_form(fields.pop(FORM_TOKEN, ""))
    return fields


def _parse(body: bytes) -> dict[str, str]:
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=_MAX_FIELDS, errors="strict")
    except ValueError:  # includes UnicodeDecodeError
        raise _bad_form(f"It must be UTF-8 text with at most {_MAX_FIELDS} fields.") from None
    if len(fields := dict(pairs)) < len(pairs):
        raise _bad_form("A field is given twice.")
    return fields


def _bad_form(reason: str) -> Problem:
    return Problem(400, "bad-form", "The form cannot be read", f"{reason} Go back, reload the page and try again.")
