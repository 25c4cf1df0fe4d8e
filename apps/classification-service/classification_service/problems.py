"""The service's errors as problem details."""

from classification_service.classify.errors import LlmNotConfiguredError
from classification_service.llm.errors import NoLedgerError
from classification_service.taxonomies.errors import UnknownCodeError, UnknownTaxonomyError
from nexus_chassis.problems import Problem, ProblemMap


def _unknown_taxonomy(error: UnknownTaxonomyError) -> Problem:
    return Problem(404, "unknown-taxonomy", "There is no such taxonomy", str(error))


def _unknown_code(error: UnknownCodeError) -> Problem:
    return Problem(404, "unknown-code", "The taxonomy has no such code", str(error))


def _llm_not_configured(error: LlmNotConfiguredError) -> Problem:
    return Problem(409, "llm-not-configured", "No language model is configured", str(error))


def _no_ledger(error: NoLedgerError) -> Problem:
    return Problem(409, "no-database", "The service has no database", str(error))


PROBLEMS: ProblemMap = (
    (UnknownTaxonomyError, _unknown_taxonomy),
    (UnknownCodeError, _unknown_code),
    (LlmNotConfiguredError, _llm_not_configured),
    (NoLedgerError, _no_ledger),
)
