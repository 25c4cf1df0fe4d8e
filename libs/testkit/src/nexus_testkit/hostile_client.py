"""A client that sends what the OpenAPI document of a service allows, and what it does not: schemathesis, all its checks."""

import re
import warnings
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, override

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import HypothesisDeprecationWarning, Unsatisfiable
from schemathesis.checks import CHECKS
from schemathesis.core.result import Ok
from schemathesis.generation.stateful import run_state_machine_as_test
from schemathesis.schemas import APIOperation, BaseSchema

type Case = schemathesis.Case[Any]

SEED = 20_261_126
SETTINGS = settings(
    stateful_step_count=8,
    phases=[Phase.generate],
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)

schemathesis.serializer.alias("application/x-ndjson", "text/plain")


@dataclass(frozen=True)
class Rule:
    """What JSON Schema cannot say: a request that it allows may be refused with this status and problem type.

    Where the problem has faults, `fault` is a regular expression that is found in the pointer and detail of those of the rule.
    """

    status: int
    type: str
    fault: str = ""

    def explains(self, status: int, type_: str | None, fault: str) -> bool:
        """Whether a fault of a problem is one of the rule."""
        return (status, type_) == (self.status, f"urn:nexus:problem:{self.type}") and bool(re.search(self.fault, fault))


class HostileClient:
    """Sends cases to the service at `url`, with `headers`. `operations` are those that it has sent cases to.

    A request that the document allows must be accepted, unless one of `rules` refuses it.
    """

    def __init__(self, url: str, headers: Mapping[str, str], rules: Collection[Rule] = ()) -> None:
        self.url = url
        self.http = requests.Session()
        self.operations: set[str] = set()
        self._headers = headers
        self._rules = rules

    def document(self) -> BaseSchema:
        """The document of the service."""
        schema = schemathesis.openapi.from_url(f"{self.url}/openapi.json")
        schema.config.update(base_url=self.url)
        return schema

    def headers_of(self, case: Case) -> Mapping[str, str]:  # noqa: ARG002  of those that need others
        """The headers that a case is sent with."""
        return self._headers

    def send(self, case: Case) -> schemathesis.Response:
        """Send a case."""
        self.operations.add(case.operation.label)
        return case.call(headers=dict(self.headers_of(case)), timeout=10, session=self.http)

    def check(self, case: Case, response: schemathesis.Response) -> None:
        """Fail if a response does not pass all checks."""
        excluded: list[Any] = [CHECKS.get_one("positive_data_acceptance")] if self.is_refused_by_rule(response) else []
        case.validate_response(response, excluded_checks=excluded)

    def is_refused_by_rule(self, response: schemathesis.Response) -> bool:
        """Whether the rules explain all that a response says is wrong with the request."""
        if response.status_code < HTTPStatus.BAD_REQUEST:
            return False
        problem = response.json()
        faults = [f"{fault['pointer']}: {fault['detail']}" for fault in problem.get("errors", [])] or [""]
        return all(
            any(rule.explains(response.status_code, problem.get("type"), fault) for rule in self._rules)
            for fault in faults
        )

    def try_operations(self, examples: int) -> None:
        """Send each operation so many requests that the document allows, and as many that it does not."""
        with _service_beside():
            for result in self.document().get_all_operations():
                assert isinstance(result, Ok), result
                for mode in schemathesis.GenerationMode:
                    with suppress(Unsatisfiable):  # nothing can be wrong where there is no parameter
                        self._try_operation(result.ok(), mode, examples)

    def _try_operation(
        self, operation: APIOperation[Any, Any, Any, Any], mode: schemathesis.GenerationMode, examples: int
    ) -> None:
        @seed(SEED)
        @settings(SETTINGS, max_examples=examples)
        @given(case=operation.as_strategy(mode))
        def send(case: Case) -> None:
            self.check(case, self.send(case))

        send()

    def follow_links(self, walks: int) -> None:
        """Send requests that are made of the answers to others, so many times a sequence of them."""
        client = self

        class Walk(self.document().as_state_machine()):  # type: ignore[misc]  # it is made of the document
            @override
            def call(self, case: Case, **kwargs: Any) -> schemathesis.Response:
                return client.send(case)

            @override
            def validate_response(self, response: schemathesis.Response, case: Case, **kwargs: Any) -> None:
                client.check(case, response)

        with _service_beside():
            run_state_machine_as_test(seed(SEED)(Walk), settings=settings(SETTINGS, max_examples=walks))


@contextmanager
def _service_beside() -> Iterator[None]:
    """Let another thread draw random numbers: hypothesis takes those of the service for its strategies' own."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Do not use the `random` module", HypothesisDeprecationWarning)
        yield
