"""What is wrong with a form, for its page: each fault with the field that it belongs to."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from starlette.requests import Request

from nexus_chassis.problems import problem_of


@dataclass(frozen=True, slots=True)
class FormErrors:
    """The status of the page, its headers, and its faults: id of the field (empty for none), and the text."""

    status: int = 200
    faults: list[tuple[str, str]] = field(default_factory=list)
    headers: Mapping[str, str] = field(default_factory=dict)


def faults_of(request: Request, error: Exception, fields: Mapping[str, str]) -> FormErrors:
    """The fault of a form that was refused; `fields` has the field by type of problem.

    Raises the error again where it is no Problem.
    """
    if (problem := problem_of(request.app, error)) is None:
        raise error
    name = fields.get(problem.type.rpartition(":")[2], "")
    headers = {key: value for key, value in problem.headers.items() if key == "Retry-After"}
    return FormErrors(problem.status, [(name, problem.detail)], headers)


def missing(form: Mapping[str, str], texts: Mapping[str, str]) -> FormErrors | None:
    """The faults of the fields that are empty; `texts` says what to do, by field."""
    faults = [(name, text) for name, text in texts.items() if not form.get(name)]
    return FormErrors(422, faults) if faults else None
