"""Runs of training."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from classification_service.model_registry.models import Line
from classification_service.taxonomies.models import TaxonomyFile

SEEN_SECONDS = 30.0
"""A trainer that has been silent for longer is taken for none."""

type RunState = Literal["queued", "running", "done", "failed", "cancelled"]

type Examples = Sequence[tuple[str, str]]
"""Texts with the codes that people chose."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run. `share` of it is done; `labels` and what follows is None until it began; `faults` ended attempts before."""

    id: UUID
    line: Line
    seed: int
    state: RunState
    share: float
    attempts: int
    labels: int | None
    generation: int | None
    model: str | None
    error: str | None
    faults: Sequence[str]
    requested_by: str
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Claimed:
    """A run that this trainer has, as long as it shows itself with the `claim`."""

    run: Run
    claim: str


@dataclass(frozen=True, slots=True)
class Labels:
    """The labels of a line up to a generation."""

    generation: int
    examples: Examples


@dataclass(frozen=True, slots=True)
class Presence:
    """When a trainer has shown itself last, and whether that is lately."""

    seen_at: datetime | None
    running: bool


class Fitted(Protocol):
    """What training gives."""

    @property
    def files(self) -> Mapping[str, bytes]:
        """The model's files by their names."""

    @property
    def report(self) -> Mapping[str, Any]:
        """What was measured."""


@dataclass(frozen=True, slots=True)
class TitleVectors:
    """The vectors of a taxonomy's texts, as an import has them: int8 [text, dimension], and a scale for each."""

    vectors: NDArray[np.int8]
    scales: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Task:
    """What is trained on; `titles` are the vectors of the taxonomy's texts, None where they are not there."""

    taxonomy: TaxonomyFile
    examples: Examples
    seed: int
    titles: TitleVectors | None


type Fit = Callable[[Task, Callable[[float], None]], Fitted]
"""Trains, and calls back with the share that is done. Another process imports it by its name.

Raises ClassificationServiceError where the examples cannot be trained on.
"""
