"""Runs operations in one transaction."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext

from dataflow_service.idempotency.errors import AnswerTooLargeError
from dataflow_service.idempotency.service import MAX_ANSWER_BYTES
from dataflow_service.nodes.outcomes import NumberOutcome, Outcome, PlainOutcome
from dataflow_service.nodes.service import NodeService
from dataflow_service.records.errors import Fault, InvalidQueryError, InvalidRowError
from dataflow_service.records.parsing import MAX_ROWS
from dataflow_service.records.writer import RecordWriter
from dataflow_service.transactions.errors import REFUSALS, OperationRefusedError, TooManyChangesError
from dataflow_service.transactions.parsing import OPERATIONS, Operation
from nexus_chassis.principal import Principal


async def run(nodes: NodeService, principal: Principal, operations: Sequence[Operation], rows: RecordWriter) -> bytes:
    """Run operations in the transaction of `rows`, one after the other, and return `results` as JSON.

    Raises:
        InvalidRowError: Parameters are not valid.
        OperationRefusedError: An operation cannot be done.
        TooManyChangesError: They change too many rows together.
        AnswerTooLargeError: The results are too large together.
    """
    results: list[bytes] = []
    changed, size = 0, 0
    for number, operation in enumerate(operations):
        with _naming(number):
            outcome = await nodes.run(principal, operation.served, operation.parameters, lambda: nullcontext(rows))
        results.append(outcome.json())
        changed += _changed(outcome)
        size += len(results[-1])
        if changed > MAX_ROWS:
            raise TooManyChangesError(MAX_ROWS)
        if size > MAX_ANSWER_BYTES:
            raise AnswerTooLargeError(MAX_ANSWER_BYTES)
    return b'{"results":[%b]}' % b",".join(results)


def _changed(outcome: Outcome) -> int:
    """Return how many rows an operation changed."""
    match outcome:
        case NumberOutcome(ids=ids) | PlainOutcome(content={"ids": ids}):
            return len(ids)
    return 1


@contextmanager
def _naming(number: int) -> Iterator[None]:
    """Say in errors which operation they are about."""
    place = (*OPERATIONS, number)
    try:
        yield
    except (InvalidRowError, InvalidQueryError) as error:
        raise InvalidRowError([Fault((*place, *fault.place[1:]), fault.text) for fault in error.faults]) from error
    except REFUSALS as error:
        raise OperationRefusedError(place, error) from error
