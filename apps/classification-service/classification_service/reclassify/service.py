"""Takes items from one version of a taxonomy to another: only what the changes touch is classified anew."""

from collections import Counter
from collections.abc import Sequence
from typing import get_args

from classification_service.classify.schemas import ClassifyRequest, ItemResult
from classification_service.classify.service import ClassificationService
from classification_service.llm.models import Origin
from classification_service.reclassify.schemas import (
    CodedItem,
    Outcome,
    Reclassified,
    ReclassifyRequest,
    ReclassifyResponse,
)
from classification_service.taxonomies.catalogue import Catalogue
from classification_service.taxonomies.models import CodeFate, Taxonomy
from classification_service.taxonomies.schemas import CodeRef
from classification_service.taxonomies.service import Taxonomies
from nexus_chassis.principal import Principal


class ReclassificationService:
    """Maps codes by what changed between the versions, and classifies the others."""

    def __init__(self, catalogue: Catalogue, taxonomies: Taxonomies, classification: ClassificationService) -> None:
        self._catalogue = catalogue
        self._taxonomies = taxonomies
        self._classification = classification

    async def reclassify(self, request: ReclassifyRequest, principal: Principal) -> ReclassifyResponse:
        """What becomes of each item; raises UnknownTaxonomyError, StarterVersionError, and what a classification raises."""
        taxonomy = self._taxonomies.get(request.taxonomy, request.version)
        codes = sorted({item.code for item in request.items})
        fates = await self._catalogue.fates(request.taxonomy, request.version, request.since, codes)
        touched = [index for index, item in enumerate(request.items) if _is_touched(fates[item.code])]
        answers, queued = await self._classify(request, touched, principal)
        added = await self._catalogue.missing(
            request.taxonomy, request.since, sorted({answer.code or "" for answer in answers.values()})
        )
        items = [
            _result(taxonomy, index, item, fates[item.code], _of_added(answers.get(index), fates[item.code], added))
            for index, item in enumerate(request.items)
        ]
        counts = Counter(item.outcome for item in items)
        return ReclassifyResponse(
            taxonomy=request.taxonomy,
            since=request.since,
            version=request.version,
            counts={outcome: counts[outcome] for outcome in get_args(Outcome.__value__)},
            queued=queued,
            items=items,
        )

    async def _classify(
        self, request: ReclassifyRequest, touched: Sequence[int], principal: Principal
    ) -> tuple[dict[int, ItemResult], int | None]:
        """The answers to the items at some indices."""
        if not touched:
            return {}, 0 if request.review else None
        classify = ClassifyRequest(
            items=[request.items[index].model_dump(exclude={"code"}) for index in touched],
            taxonomy=request.taxonomy,
            version=request.version,
            llm=request.llm,
            review=request.review,
        )
        response = await self._classification.classify(classify, Origin("request", principal.subject), principal.tenant)
        return dict(zip(touched, response.items, strict=True)), response.queued


def _is_touched(fate: CodeFate) -> bool:
    return fate.new_code is None or fate.near_added


def _of_added(answer: ItemResult | None, fate: CodeFate, added: set[str]) -> ItemResult | None:
    """The answer, where it counts: a code that is still there gives way to one that was added only."""
    if answer is None or fate.new_code is None:
        return answer
    return answer if answer.code in added else None


def _result(taxonomy: Taxonomy, index: int, item: CodedItem, fate: CodeFate, answer: ItemResult | None) -> Reclassified:
    code = answer.code if answer is not None and answer.code is not None else fate.new_code or fate.code
    path = taxonomy.path(taxonomy.get(code))
    return Reclassified(
        index=index,
        id=item.id,
        outcome="reclassified" if answer is not None else "kept" if code == item.code else "moved",
        before=item.code,
        code=code,
        title=path[-1].title,
        path=[CodeRef.of(node) for node in path],
        answer=None if answer is None else answer.model_copy(update={"index": index}),
    )
