"""Classification of requests."""

import asyncio
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from classification_service.classify.classifier import Classification, Classifier
from classification_service.classify.schemas import ClassifyRequest, ClassifyResponse, Item, ItemError, ItemResult
from classification_service.taxonomies.service import Taxonomies, Taxonomy
from nexus_chassis.problems import Problem


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
        """A result per item; raises Problem when the request as a whole cannot be answered."""
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
        raise Problem(
            409,
            "llm-not-configured",
            "No language model is configured",
            "llm='always' needs OPENAI_API_KEY_FILE, which this service does not have. "
            "Use llm='auto' or llm='never' for the local model.",
        )


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
    faults = [f"{'.'.join(map(str, fault['loc'])) or 'item'}: {fault['msg']}" for fault in error.errors()]
    detail = _sendable("; ".join(faults))
    return ItemResult(
        index=index,
        id=_sendable(name) if isinstance(name, str) else None,
        error=ItemError(type="urn:nexus:problem:invalid-item", title="The item is not valid", detail=detail),
    )


def _sendable(text: str) -> str:
    """The text with a question mark for each lone surrogate: JSON can escape those, UTF-8 has none."""
    return text.encode("utf-8", "replace").decode()
