"""Classification of requests."""

import asyncio
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from classification_service.classify.classifier import Classifier
from classification_service.classify.errors import LlmNotConfiguredError
from classification_service.classify.models import Classification
from classification_service.classify.schemas import (
    MAX_ID,
    ClassifyRequest,
    ClassifyResponse,
    Item,
    ItemError,
    ItemResult,
)
from classification_service.taxonomies.models import Taxonomy
from classification_service.taxonomies.service import Taxonomies
from nexus_chassis.limits import MAX_FAULTS

_MAX_NAME = 100


@dataclass(frozen=True)
class _Valid:
    index: int
    item: Item
    text: str


class ClassificationService:
    """Classifies requests, one batch of texts at a time: batches of several requests take turns."""

    def __init__(self, classifier: Classifier, taxonomies: Taxonomies) -> None:
        self._classifier = classifier
        self._taxonomies = taxonomies
        self._turn = asyncio.Lock()  # it is handed on in the order of asking

    async def classify(self, request: ClassifyRequest) -> ClassifyResponse:
        """A result per item; raises LlmNotConfiguredError, UnknownTaxonomyError.

        When it is cancelled, the batch that is being computed is the last one.
        """
        _refuse_llm(request)
        taxonomy = self._taxonomies.get(request.taxonomy, request.version)
        results, valid = _sort_out(request.items)
        version = self._classifier.model_version(taxonomy)
        valid.sort(key=lambda entry: len(entry.text))
        size = self._classifier.encoder.backend.batch
        for start in range(0, len(valid), size):
            batch = valid[start : start + size]
            answers = await self._compute(taxonomy, [entry.text for entry in batch], request.top_k)
            for entry, answer in zip(batch, answers, strict=True):
                results[entry.index] = ItemResult.of(entry.index, entry.item, answer, version)
        ordered = [results[index] for index in range(len(request.items))]
        return ClassifyResponse(taxonomy=taxonomy.name, version=taxonomy.version, items=ordered)

    async def _compute(self, taxonomy: Taxonomy, texts: list[str], top_k: int) -> list[Classification]:
        async with self._turn:
            return await asyncio.to_thread(self._classifier.classify, taxonomy, texts, top_k)


def _refuse_llm(request: ClassifyRequest) -> None:
    if request.llm == "always":
        raise LlmNotConfiguredError


def _sort_out(items: list[Any]) -> tuple[dict[int, ItemResult], list[_Valid]]:
    """The failed items with their errors, and the others."""
    failed: dict[int, ItemResult] = {}
    valid: list[_Valid] = []
    for index, raw in enumerate(items):
        try:
            item = Item.model_validate(raw)
        except ValidationError as error:
            failed[index] = _failure(index, raw, error)
        else:
            valid.append(_Valid(index, item, item.full_text()))
    return failed, valid


def _failure(index: int, raw: object, error: ValidationError) -> ItemResult:
    name = raw.get("id") if isinstance(raw, dict) else None
    return ItemResult(
        index=index,
        id=name[:MAX_ID] if isinstance(name, str) else None,
        error=ItemError(type="urn:nexus:problem:invalid-item", title="The item is not valid", detail=_faults(error)),
    )


def _faults(error: ValidationError) -> str:
    found = error.errors(include_url=False, include_context=False, include_input=False)
    faults = [f"{_place(fault)}: {fault['msg'].removeprefix('Value error, ')}" for fault in found[:MAX_FAULTS]]
    if (more := len(found) - MAX_FAULTS) > 0:
        faults.append(f"{more} more faults like these")
    return "; ".join(faults)


def _place(fault: ErrorDetails) -> str:
    return ".".join(str(part)[:_MAX_NAME] for part in fault["loc"]) or "item"
