"""Classifies the rows of files as the items of requests."""

from collections.abc import Mapping, Sequence
from typing import Any

from classification_service.classify.schemas import ClassifyRequest, ItemResult
from classification_service.classify.service import ClassificationService
from classification_service.features.schemas import FeaturesRequest, FeatureValueOut
from classification_service.features.service import FeatureService
from classification_service.jobs.models import JobOptions, Outcome, Product, Purpose
from classification_service.llm.models import Origin

_SHOWN = {"code", "title", "value", "unit", "confidence", "words"}


class RowClassifier:
    """A jobs.models.Classify. `features` reads the values of rows whose codes are classes, where a job asks for them."""

    def __init__(self, classification: ClassificationService, features: FeatureService) -> None:
        self._classification = classification
        self._features = features

    async def __call__(self, options: JobOptions, purpose: Purpose, products: Sequence[Product]) -> list[Outcome]:
        """An outcome for each product."""
        items = [
            {"text": product.text, "attributes": dict(product.attributes), "language": options.language}
            for product in products
        ]
        request = ClassifyRequest(
            items=items,
            taxonomy=options.taxonomy,
            version=options.version,
            top_k=1,
            llm=options.llm,
            review=options.review,
        )
        origin = Origin(purpose.name, purpose.subject)
        answers = (await self._classification.classify(request, origin, purpose.tenant)).items
        found = await self._values(options, items, answers) if options.features else {}
        return [_outcome(answer, found.get(place)) for place, answer in enumerate(answers)]

    async def _values(
        self, options: JobOptions, items: Sequence[Mapping[str, Any]], answers: Sequence[ItemResult]
    ) -> dict[int, list[dict[str, Any]]]:
        """The values of the features of each item whose code is a class."""
        places = [place for place, answer in enumerate(answers) if answer.level == "class"]
        if not places:
            return {}
        request = FeaturesRequest(
            items=[{**items[place], "code": answers[place].code} for place in places], version=options.version
        )
        read = (await self._features.read(request)).items
        return {place: [_shown(value) for value in one.features] for place, one in zip(places, read, strict=True)}


def _shown(value: FeatureValueOut) -> dict[str, Any]:
    return value.model_dump(include=_SHOWN, exclude_none=True)


def _outcome(answer: ItemResult, features: list[dict[str, Any]] | None) -> Outcome:
    if answer.error is not None:
        return Outcome(error=answer.error.detail)
    return Outcome(
        answer.code or "", answer.level or "", answer.title or "", answer.confidence, answer.source or "", "", features
    )
