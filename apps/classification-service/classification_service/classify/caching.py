"""Answers that were given before to the same text."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from pydantic import ValidationError

from classification_service.cache.service import digest
from classification_service.classify.labelled import Known
from classification_service.classify.schemas import ClassifyRequest, Item, ItemResult
from classification_service.taxonomies.models import Taxonomy


class AnswerCache(Protocol):
    """Keeps texts by their keys. It answers at once, also where its store is away."""

    async def find(self, keys: Sequence[str]) -> list[str | None]:
        """What is kept by each key."""

    async def keep(self, values: Mapping[str, str]) -> None:
        """Keep values by their keys."""

    async def count(self, hits: int, misses: int) -> None:
        """Count items that were found, and others that were looked for."""


@dataclass(frozen=True, slots=True)
class Shelf:
    """The answers of one model to requests of one kind.

    `labels` names the import of the taxonomy and the state of its labels, `scope` that, the model and the options:
    all that an answer depends on, apart from the item.
    """

    cache: AnswerCache
    labels: str
    scope: str

    async def find(self, items: Sequence[Item]) -> list[ItemResult | None]:
        """The answer that is kept for each item, with index 0."""
        found = await self.cache.find([self._key(item) for item in items])
        return [None if value is None else _read(value) for value in found]

    async def keep(self, answers: Iterable[tuple[Item, ItemResult]]) -> None:
        """Keep answers for others who ask for the same."""
        values = {self._key(item): _stored(result) for item, result in answers}
        await self.cache.keep(values)

    async def count(self, hits: int, misses: int) -> None:
        """Count items that were found, and others that were looked for."""
        await self.cache.count(hits, misses)

    def _key(self, item: Item) -> str:
        return digest(self.scope, item.text, list(item.attributes.items()), item.language)


def _read(value: str) -> ItemResult | None:
    try:
        return ItemResult.model_validate_json(value)
    except ValidationError:  # another version of the service has kept it
        return None


def _stored(result: ItemResult) -> str:
    kept = result.model_copy(update={"index": 0, "source": "cache"})
    return kept.model_dump_json(exclude={"id"}, exclude_none=True)


def open_shelf(
    cache: AnswerCache | None, taxonomy: Taxonomy, known: Known, request: ClassifyRequest, model_version: str
) -> Shelf | None:
    """The answers of that model (which names the language model too, where one has a part) to requests like this one.

    None where nothing can be kept.
    """
    if cache is None or known.generation is None:
        return None
    labels = digest(taxonomy.name, taxonomy.version, taxonomy.key, known.scope, known.generation)
    return Shelf(cache, labels, digest(labels, model_version, request.llm, request.top_k))
