"""Feature values of requests: the class of each item, then what its attributes and text say about the class's features."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import batched
from typing import Any, Literal

from pydantic import ValidationError

from classification_service.classify.item_errors import id_of, invalid_item
from classification_service.classify.schemas import ClassifyRequest, ItemResult
from classification_service.classify.service import ClassificationService
from classification_service.features.class_index import ClassIndex
from classification_service.features.classes import Classes
from classification_service.features.errors import not_a_class, unclassified, unknown_class
from classification_service.features.models import Readings
from classification_service.features.reading import MAX_READ, read_item
from classification_service.features.schemas import (
    FeatureItem,
    FeaturesRequest,
    FeaturesResponse,
    FeaturesResult,
    FeatureValueOut,
    OpenFeatureOut,
)
from classification_service.features.units import Units
from classification_service.llm.models import Origin
from classification_service.taxonomies.errors import UnknownCodeError
from classification_service.taxonomies.models import Node, Taxonomy
from classification_service.taxonomies.service import Taxonomies

_BATCH = 8  # items that are read in one go, before other requests have a turn
_UNCERTAIN = 0.5
_CLASS = "class"


@dataclass(frozen=True, slots=True)
class _Task:
    """An item whose class is known; `confidence` is that of the class, None where it was given."""

    index: int
    item: FeatureItem
    node: Node
    source: Literal["given", "cache", "human", "llm", "model"]
    confidence: float | None = None


class FeatureService:
    """Reads feature values. `classification` finds the classes of items that come without."""

    def __init__(self, classes: Classes, taxonomies: Taxonomies, classification: ClassificationService) -> None:
        self._classes = classes
        self._taxonomies = taxonomies
        self._classification = classification
        self._turn = asyncio.Lock()

    async def warm(self) -> None:
        """Prepare what the first request would wait for."""
        await self._classes.warm()

    async def read(
        self,
        request: FeaturesRequest,
        origin: Origin = Origin(),  # noqa: B008  frozen
        tenant: str | None = None,
    ) -> FeaturesResponse:
        """A result per item; raises UnknownTaxonomyError, and what a classification raises."""
        taxonomy = self._taxonomies.get("etim", request.version)
        results, items = _sort_out(request.items)
        tasks: list[_Task] = []
        for index, item in items.items():
            if item.code is not None:
                _add(_given(taxonomy, index, item), tasks, results)
        unknown = {index: item for index, item in items.items() if item.code is None}
        for index, answer in zip(
            unknown, await self._classify(request, taxonomy, unknown, origin, tenant), strict=True
        ):
            _add(_classified(taxonomy, index, unknown[index], answer), tasks, results)
        results |= await self._read(taxonomy, tasks)
        ordered = [results[index] for index in range(len(request.items))]
        return FeaturesResponse(taxonomy="etim", version=taxonomy.version, items=ordered)

    async def _classify(
        self,
        request: FeaturesRequest,
        taxonomy: Taxonomy,
        items: Mapping[int, FeatureItem],
        origin: Origin,
        tenant: str | None,
    ) -> Sequence[ItemResult]:
        if not items:
            return []
        classify = ClassifyRequest(
            items=[item.model_dump(exclude={"code"}) for item in items.values()],
            taxonomy=taxonomy.name,
            version=taxonomy.version,
            llm=request.llm,
        )
        return (await self._classification.classify(classify, origin, tenant)).items

    async def _read(self, taxonomy: Taxonomy, tasks: Sequence[_Task]) -> dict[int, FeaturesResult]:
        results: dict[int, FeaturesResult] = {}
        classes = await self._classes.get(taxonomy, (task.node.code for task in tasks))
        units = await self._classes.units()
        for batch in batched(tasks, _BATCH, strict=False):
            async with self._turn:
                results |= await asyncio.to_thread(_read_batch, batch, classes, units)
        return results


def _sort_out(items: list[Any]) -> tuple[dict[int, FeaturesResult], dict[int, FeatureItem]]:
    """The failed items with their errors, and the others."""
    failed: dict[int, FeaturesResult] = {}
    valid: dict[int, FeatureItem] = {}
    for index, raw in enumerate(items):
        try:
            valid[index] = FeatureItem.model_validate(raw)
        except ValidationError as error:
            failed[index] = FeaturesResult(index=index, id=id_of(raw), error=invalid_item(error))
    return failed, valid


def _add(found: _Task | FeaturesResult, tasks: list[_Task], results: dict[int, FeaturesResult]) -> None:
    if isinstance(found, _Task):
        tasks.append(found)
    else:
        results[found.index] = found


def _given(taxonomy: Taxonomy, index: int, item: FeatureItem) -> _Task | FeaturesResult:
    code = item.code or ""
    try:
        node = taxonomy.nodes[taxonomy.get(code)]
    except UnknownCodeError:
        return FeaturesResult(index=index, id=item.id, error=unknown_class(code, taxonomy.version))
    if node.level != _CLASS:
        return FeaturesResult(index=index, id=item.id, error=not_a_class(code, node.level))
    return _Task(index, item, node, "given")


def _classified(taxonomy: Taxonomy, index: int, item: FeatureItem, answer: ItemResult) -> _Task | FeaturesResult:
    """The class that was answered; where that is a group, the likeliest class."""
    if answer.error is not None:
        return FeaturesResult(index=index, id=item.id, error=answer.error)
    codes = [(answer.code, answer.confidence)] if answer.level == _CLASS else []
    codes += [(candidate.code, candidate.confidence) for candidate in answer.candidates]
    for code, confidence in codes:
        node = taxonomy.nodes[taxonomy.get(code or "")]
        if node.level == _CLASS:
            return _Task(index, item, node, answer.source or "model", confidence)
    return FeaturesResult(index=index, id=item.id, error=unclassified())


def _read_batch(tasks: Sequence[_Task], classes: Mapping[str, ClassIndex], units: Units) -> dict[int, FeaturesResult]:
    return {task.index: _result(task, classes[task.node.code], units) for task in tasks}


def _result(task: _Task, index: ClassIndex, units: Units) -> FeaturesResult:
    item = task.item
    readings = read_item(index, units, text=item.text, attributes=item.attributes, language=item.language)
    return FeaturesResult(
        index=task.index,
        id=item.id,
        code=task.node.code,
        title=task.node.title,
        code_confidence=task.confidence,
        code_source=task.source,
        features=[FeatureValueOut.of_value(value) for value in readings.found],
        open=[OpenFeatureOut.of(feature) for feature in readings.open],
        warnings=_warnings(task, index, readings),
    )


def _warnings(task: _Task, index: ClassIndex, readings: Readings) -> list[str]:
    warnings = []
    if task.confidence is not None and task.confidence < _UNCERTAIN:
        warnings.append(f"The class is uncertain ({task.confidence}). Give the code of the class to be sure.")
    if not index.features:
        warnings.append(f"No features are known of {task.node.code}.")
    if not readings.is_whole:
        warnings.append(f"Attributes beyond {MAX_READ} characters of text and attributes were not read.")
    return warnings
