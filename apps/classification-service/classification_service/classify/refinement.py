"""Puts uncertain answers to the language model, and takes over what it chooses."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from classification_service.classify.models import Candidate, Classification
from classification_service.llm.models import Choice, Neighbour, Option, Origin, Outcome, Question
from classification_service.taxonomies.models import Node, Taxonomy

CANDIDATES = 20
"""Codes that the language model chooses from."""


class LanguageModel(Protocol):
    """Chooses one of the candidates for each question."""

    version: str

    async def choose(self, questions: Sequence[Question], origin: Origin) -> list[Choice]:
        """A choice for each question, in their order; raises no errors of its own."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A text with its local answer, which has CANDIDATES candidates."""

    text: str
    answer: Classification


@dataclass(frozen=True, slots=True)
class Refined:
    """An answer; `outcome` says how the language model's part in it ended, None where it was not asked."""

    answer: Classification
    outcome: Outcome | None = None


class Refinement:
    """Has the language model look at answers whose confidence is below `threshold`.

    `reliability` is how often its choice is right. That often the choice counts, else what the local model says.
    """

    def __init__(self, language_model: LanguageModel, threshold: float, reliability: float) -> None:
        self._language_model = language_model
        self._threshold = threshold
        self._reliability = reliability

    @property
    def version(self) -> str:
        """Changes when the same answer may be refined in another way."""
        return f"{self._language_model.version}+{self._threshold}+{self._reliability}"

    @property
    def model_version(self) -> str:
        """Names the language model and its prompt."""
        return self._language_model.version

    async def refine(
        self, taxonomy: Taxonomy, entries: Sequence[Entry], origin: Origin, *, scope: str, everything: bool
    ) -> list[Refined]:
        """The answers, in the order of the entries; the uncertain ones, or `everything`, as the language model chose.

        `scope` names what the answers depend on beside text and candidates, as in Question.
        """
        asked = [entry for entry in entries if everything or entry.answer.confidence < self._threshold]
        questions = [_question(taxonomy, entry, scope) for entry in asked]
        choices = await self._language_model.choose(questions, origin) if questions else []
        found = {id(entry): choice for entry, choice in zip(asked, choices, strict=True)}
        return [self._merge(taxonomy, entry, found.get(id(entry))) for entry in entries]

    def _merge(self, taxonomy: Taxonomy, entry: Entry, choice: Choice | None) -> Refined:
        if choice is None:
            return Refined(entry.answer)
        if choice.position is None:
            return Refined(entry.answer, choice.outcome)
        return Refined(_chosen(taxonomy, entry.answer, choice.position, self._reliability), choice.outcome)


def _question(taxonomy: Taxonomy, entry: Entry, scope: str) -> Question:
    options = tuple(_option(taxonomy, candidate.node) for candidate in entry.answer.candidates)
    neighbours = tuple(Neighbour(labelled.text, labelled.node.title) for labelled in entry.answer.neighbours)
    return Question(scope, entry.text, options, neighbours)


def _option(taxonomy: Taxonomy, node: Node) -> Option:
    titles = tuple(above.title for above in taxonomy.path(taxonomy.get(node.code)))
    return Option(node.code, titles, node.examples)


def _chosen(taxonomy: Taxonomy, answer: Classification, position: int, reliability: float) -> Classification:
    """The answer with the chosen candidate first, and with the confidences that follow from the choice."""
    candidates = [
        Candidate(
            candidate.node, round(candidate.confidence * (1 - reliability) + reliability * (place == position), 4)
        )
        for place, candidate in enumerate(answer.candidates)
    ]
    chosen = candidates.pop(position)
    path = taxonomy.path(taxonomy.get(chosen.node.code))
    return replace(answer, path=path, confidence=chosen.confidence, candidates=[chosen, *candidates])
