"""Classification of requests."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from pydantic import ValidationError

from classification_service.classify.caching import AnswerCache, Shelf, open_shelf
from classification_service.classify.classifier import Chosen, Classifier
from classification_service.classify.errors import LlmNotConfiguredError, NoQueueError
from classification_service.classify.item_errors import id_of, invalid_item
from classification_service.classify.labelled import DECIDED_CONFIDENCE, Known, Labels
from classification_service.classify.models import Answered, Candidate, Classification
from classification_service.classify.refinement import CANDIDATES, Entry, Refined, Refinement
from classification_service.classify.schemas import (
    ClassifyRequest,
    ClassifyResponse,
    Item,
    ItemResult,
)
from classification_service.encoder.backend import Vectors
from classification_service.encoder.languages import OTHER
from classification_service.encoder.text_encoder import TextEncoder
from classification_service.llm.models import Origin, Outcome
from classification_service.taxonomies.models import Taxonomy
from classification_service.taxonomies.service import Taxonomies

_DECIDED = {None, Outcome.ANSWERED, Outcome.NONE_FITS}


class Queue(Protocol):
    """Takes what people should check."""

    async def put(self, taxonomy: Taxonomy, tenant: str | None, answers: Sequence[Answered], generation: int) -> int:
        """Keep the uncertain ones of these answers, which were made with labels of that generation; returns how many."""
        ...


@dataclass(frozen=True)
class _Valid:
    index: int
    item: Item
    text: str


@dataclass(frozen=True)
class _Task:
    """What the items of one request have in common."""

    request: ClassifyRequest
    taxonomy: Taxonomy
    refinement: Refinement | None
    known: Known
    shelf: Shelf | None
    classifier: Classifier
    chosen: Chosen
    origin: Origin

    def model_version(self, item: Item) -> str:
        """What the local answer to an item is made with."""
        return self.classifier.model_version(self.taxonomy, item.language, self.chosen)


class ClassificationService:
    """Classifies requests, one batch of texts at a time: batches of several requests take turns.

    Answers that `cache` has are not computed again; `refinement` has a language model look at uncertain ones; `labels` are
    the texts whose codes people have checked; `queue` takes the answers that people should check.
    """

    def __init__(
        self,
        classifier: Classifier,
        taxonomies: Taxonomies,
        *,
        cache: AnswerCache | None = None,
        refinement: Refinement | None = None,
        labels: Labels | None = None,
        queue: Queue | None = None,
    ) -> None:
        self._classifier = classifier
        self._taxonomies = taxonomies
        self._cache = cache
        self._refinement = refinement
        self._labels = labels
        self._queue = queue
        self._turn = asyncio.Lock()  # it is handed on in the order of asking

    async def classify(
        self,
        request: ClassifyRequest,
        origin: Origin = Origin(),  # noqa: B008  frozen
        tenant: str | None = None,
    ) -> ClassifyResponse:
        """A result per item; raises LlmNotConfiguredError, NoQueueError, UnknownTaxonomyError.

        When it is cancelled, the batch that is being computed is the last one. `origin` is who asks, for the ledger;
        `tenant` is whose labels count, and who checks what is uncertain.
        """
        task = await self._prepare(request, origin, tenant)
        results, valid = _sort_out(request.items)
        decided = _decided(task, valid)
        results.update(decided)
        undecided = [entry for entry in valid if entry.index not in decided]
        found = await _find(task.shelf, undecided)
        results.update(found)
        fresh = await self._answer(task, [entry for entry in undecided if entry.index not in found])
        results.update(fresh)
        ordered = [results[index] for index in range(len(request.items))]
        return ClassifyResponse(
            taxonomy=task.taxonomy.name,
            version=task.taxonomy.version,
            items=ordered,
            queued=await self._put(task, undecided, results, tenant),
        )

    async def encode(self, texts: Sequence[str], encoder: TextEncoder) -> Vectors:
        """The vectors of texts, computed between the batches of requests."""
        vectors = np.empty((len(texts), encoder.dimension), np.float32)
        size = self._classifier.encoder.backend.batch
        for start in range(0, len(texts), size):
            async with self._turn:
                batch = await asyncio.to_thread(encoder.encode, texts[start : start + size])
            vectors[start : start + size] = batch
        return vectors

    async def _put(
        self, task: _Task, entries: list[_Valid], results: dict[int, ItemResult], tenant: str | None
    ) -> int | None:
        """Put answers into the review queue, where the request asks for that; returns how many are uncertain."""
        if not task.request.review or self._queue is None:
            return None
        answered = [_answered(task.taxonomy, entry, results[entry.index]) for entry in entries]
        return await self._queue.put(task.taxonomy, tenant, answered, task.known.generation or 0)

    async def _prepare(self, request: ClassifyRequest, origin: Origin, tenant: str | None) -> _Task:
        if request.llm == "always" and self._refinement is None:
            raise LlmNotConfiguredError
        if request.review and self._queue is None:
            raise NoQueueError
        taxonomy = self._taxonomies.get(request.taxonomy, request.version)
        refinement = None if request.llm == "never" else self._refinement
        chosen = self._classifier.chosen(taxonomy, tenant)
        version = "+".join(self._classifier.model_version(taxonomy, language, chosen) for language in ("en", OTHER))
        whole_version = f"{version}+{refinement.version}" if refinement else version
        known = Known(None) if self._labels is None else await self._labels.current(taxonomy, tenant)
        shelf = open_shelf(self._cache, taxonomy, known, request, whole_version)
        return _Task(request, taxonomy, refinement, known, shelf, self._classifier, chosen, origin)

    async def _answer(self, task: _Task, valid: list[_Valid]) -> dict[int, ItemResult]:
        """Results of items that no answer is kept for; those that would be the same again are kept."""
        valid.sort(key=lambda entry: len(entry.text))
        refined = await self._refine(task, valid, await self._compute(task, valid))
        results = {entry.index: _result(task, entry, found) for entry, found in zip(valid, refined, strict=True)}
        if task.shelf is not None:
            decided = [entry for entry, found in zip(valid, refined, strict=True) if found.outcome in _DECIDED]
            await task.shelf.keep((entry.item, results[entry.index]) for entry in decided)
        return results

    async def _compute(self, task: _Task, valid: list[_Valid]) -> list[Classification]:
        """The local answers."""
        size = self._classifier.encoder.backend.batch
        candidates = CANDIDATES if task.refinement else task.request.top_k
        answers: list[Classification] = []
        for start in range(0, len(valid), size):
            texts = [entry.text for entry in valid[start : start + size]]
            languages = [entry.item.language for entry in valid[start : start + size]]
            async with self._turn:
                answers += await asyncio.to_thread(
                    self._classifier.classify,
                    task.taxonomy,
                    texts,
                    candidates,
                    task.known.examples,
                    languages,
                    chosen=task.chosen,
                    neighbours=task.refinement is not None,
                )
        return answers

    async def _refine(self, task: _Task, valid: list[_Valid], answers: list[Classification]) -> list[Refined]:
        if task.refinement is None:
            return [Refined(answer) for answer in answers]
        entries = [Entry(entry.text, answer) for entry, answer in zip(valid, answers, strict=True)]
        scope = task.shelf.labels if task.shelf else ""
        everything = task.request.llm == "always"
        return await task.refinement.refine(task.taxonomy, entries, task.origin, scope=scope, everything=everything)


def _decided(task: _Task, valid: list[_Valid]) -> dict[int, ItemResult]:
    """Results of items whose very texts have labels."""
    if (examples := task.known.examples) is None:
        return {}
    places = ((entry, examples.decided(entry.text)) for entry in valid)
    return {entry.index: _of_label(task, entry, place) for entry, place in places if place is not None}


def _of_label(task: _Task, entry: _Valid, position: int) -> ItemResult:
    path = task.taxonomy.path(position)
    answer = Classification(path, DECIDED_CONFIDENCE, [Candidate(path[-1], DECIDED_CONFIDENCE)])
    return ItemResult.of(entry.index, entry.item, answer, task.model_version(entry.item), source="human")


def _answered(taxonomy: Taxonomy, entry: _Valid, result: ItemResult) -> Answered:
    candidates = [Candidate(taxonomy.nodes[taxonomy.get(one.code)], one.confidence) for one in result.candidates]
    item = entry.item.model_dump(exclude_defaults=True)
    return Answered(entry.text, item, result.code or "", result.confidence or 0, candidates, result.model_version or "")


async def _find(shelf: Shelf | None, valid: list[_Valid]) -> dict[int, ItemResult]:
    """Results of items that answers are kept for."""
    if shelf is None or not valid:
        return {}
    kept = zip(valid, await shelf.find([entry.item for entry in valid]), strict=True)
    found = {
        entry.index: result.model_copy(update={"index": entry.index, "id": entry.item.id})
        for entry, result in kept
        if result is not None
    }
    await shelf.count(len(found), len(valid) - len(found))
    return found


def _result(task: _Task, entry: _Valid, refined: Refined) -> ItemResult:
    answer = refined.answer
    answer = replace(answer, candidates=answer.candidates[: task.request.top_k])
    version = task.model_version(entry.item)
    warnings = task.classifier.warnings(task.taxonomy, entry.item.language)
    if refined.outcome == Outcome.ANSWERED and task.refinement is not None:
        version = f"{version}+{task.refinement.model_version}"
        return ItemResult.of(entry.index, entry.item, answer, version, source="llm", warnings=warnings)
    warnings += _warnings(refined.outcome)
    return ItemResult.of(entry.index, entry.item, answer, version, warnings=warnings)


def _warnings(outcome: Outcome | None) -> list[str]:
    if outcome is None:
        return []
    return [f"The language model did not decide ({outcome}); this is the local model's answer."]


def _sort_out(items: list[Any]) -> tuple[dict[int, ItemResult], list[_Valid]]:
    """The failed items with their errors, and the others."""
    failed: dict[int, ItemResult] = {}
    valid: list[_Valid] = []
    for index, raw in enumerate(items):
        try:
            item = Item.model_validate(raw)
        except ValidationError as error:
            failed[index] = ItemResult(index=index, id=id_of(raw), error=invalid_item(error))
        else:
            valid.append(_Valid(index, item, item.full_text()))
    return failed, valid
