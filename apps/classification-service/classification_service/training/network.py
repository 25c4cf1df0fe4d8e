"""The n-gram model in torch: one embedding bag, one linear head per level."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch  # type: ignore[import-not-found]
from numpy.typing import NDArray

from classification_service.training.dataset import LEVELS, Row, labels
from classification_service.training.features import BUCKETS, ngram_buckets

DIMENSION = 64
_BATCH = 64
_LEARNING_RATE = 0.05
_UNKNOWN = -100  # torch's cross entropy skips this label


@dataclass(frozen=True)
class Trained:
    """Weights by name, and the codes that the outputs of each head stand for."""

    weights: dict[str, NDArray[np.float32]]
    codes: dict[str, list[str]]


class NgramModel(torch.nn.Module):  # type: ignore[misc]  # torch has no types here
    """The mean of the n-grams' embeddings, then a linear layer per level."""

    def __init__(self, sizes: dict[str, int]) -> None:
        super().__init__()
        self.embedding = torch.nn.EmbeddingBag(BUCKETS, DIMENSION, mode="mean", sparse=True)
        self.heads = torch.nn.ModuleDict({level: torch.nn.Linear(DIMENSION, size) for level, size in sizes.items()})

    def forward(self, bags: Sequence[list[int]]) -> "dict[str, torch.Tensor]":
        """Logits per level, of texts given as the buckets of their n-grams."""
        offsets = np.cumsum([0, *(len(bag) for bag in bags[:-1])])
        flat = torch.tensor([bucket for bag in bags for bucket in bag], dtype=torch.long)
        hidden = self.embedding(flat, torch.from_numpy(offsets))
        return {level: head(hidden) for level, head in self.heads.items()}


def fit(rows: list[Row], *, epochs: int, seed: int, after_epoch: Callable[[], None]) -> tuple[NgramModel, Trained]:
    """Train on `rows`; the same rows, epochs and seed give the same weights."""
    torch.manual_seed(seed)
    torch.use_deterministic_algorithms(mode=True)
    torch.set_num_threads(1)  # sums in another order would give other weights
    codes = {level: labels(rows, level) for level in LEVELS}
    model = NgramModel({level: len(found) for level, found in codes.items()})
    targets = {level: _targets(rows, level, codes[level]) for level in LEVELS}
    # Adagrad by hand: torch.optim would load the compiler, and with it packages that the trainer image does without.
    squares = [torch.zeros_like(parameter) for parameter in model.parameters()]
    bags = [ngram_buckets(row.text) for row in rows]
    for _ in range(epochs):
        for batch in torch.randperm(len(rows)).split(_BATCH):
            _loss(model, bags, targets, batch).backward()
            _step(list(model.parameters()), squares)
        after_epoch()
    return model, Trained({name: tensor.detach().numpy() for name, tensor in model.state_dict().items()}, codes)


def _targets(rows: list[Row], level: str, codes: list[str]) -> "torch.Tensor":
    numbers = {code: number for number, code in enumerate(codes)}
    return torch.tensor([numbers.get(row.label(level) or "", _UNKNOWN) for row in rows], dtype=torch.long)


def _loss(
    model: NgramModel, bags: list[list[int]], targets: "dict[str, torch.Tensor]", batch: "torch.Tensor"
) -> "torch.Tensor":
    logits = model([bags[number] for number in batch.tolist()])
    losses = [
        torch.nn.functional.cross_entropy(logits[level], targets[level][batch], reduction="sum", ignore_index=_UNKNOWN)
        for level in LEVELS
    ]
    return sum(losses) / len(batch)


def _step(parameters: "list[torch.Tensor]", squares: "list[torch.Tensor]") -> None:
    with torch.no_grad():
        for parameter, square in zip(parameters, squares, strict=True):
            gradient, touched = _dense_rows(parameter.grad)
            square[touched] += gradient**2
            parameter[touched] -= _LEARNING_RATE * gradient / (square[touched].sqrt() + 1e-8)
            parameter.grad = None


def _dense_rows(gradient: "torch.Tensor") -> "tuple[torch.Tensor, torch.Tensor | slice]":
    """The rows of a gradient that are not zero, and which these are: a batch touches few of the embeddings."""
    if not gradient.is_sparse:
        return gradient, slice(None)
    gradient = gradient.coalesce()
    return gradient.values(), gradient.indices()[0]


def accuracy(model: NgramModel, rows: list[Row], codes: dict[str, list[str]]) -> dict[str, float | None]:
    """Share of the rows that have a label at a level and get it; None where no row has one."""
    with torch.no_grad():
        logits = model([ngram_buckets(row.text) for row in rows]) if rows else {}
    found: dict[str, float | None] = {}
    for level in LEVELS:
        wanted = [row.label(level) for row in rows]
        given = [codes[level][number] for number in logits[level].argmax(1).tolist()] if rows else []
        hits = [want == give for want, give in zip(wanted, given, strict=True) if want is not None]
        found[level] = round(sum(hits) / len(hits), 4) if hits else None
    return found
