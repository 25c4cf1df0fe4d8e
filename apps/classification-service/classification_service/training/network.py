"""What is trained in torch: the heads over n-grams and vectors, and the re-ranker."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch  # type: ignore[import-not-found]
from numpy.typing import NDArray
from torch.nn import functional  # type: ignore[import-not-found]

from classification_service.ensemble.arrays import Array, Positions
from classification_service.ensemble.features import Evidence
from classification_service.ensemble.heads import BUCKETS, CodeVectors, Head, NgramHeads
from classification_service.ensemble.reranker import Reranker
from classification_service.ensemble.tokens import Tokens

_NGRAM_DIMENSION = 64
_HIDDEN = 32
_WHOLE_HIDDEN = 8
_BATCH = 256
_NGRAM_EPOCHS, _NGRAM_RATE = 8, 0.2
_CODE_EPOCHS, _CODE_RATE, _CODE_DROPOUT = 3, 0.01, 0.4
_RERANKER_EPOCHS, _RERANKER_RATE = 20, 0.05
_ADAPTER_EPOCHS, _ADAPTER_RATE, _ADAPTER_DROPOUT = 8, 0.01, 0.1
_FIRST_SCALE, _FIRST_CODE_SCALE = 2.5, 3.0  # their logarithms
_BIAS_PACE = 10  # biases are larger than the other weights of an adapter, and learned faster
_NOT_THERE = -1e9

UNKNOWN = -100
"""The target of a row that has no code at a level: torch's cross entropy skips it."""


def begin(seed: int) -> None:
    """Have torch give the same weights for the same rows and seed."""
    torch.manual_seed(seed)
    torch.use_deterministic_algorithms(mode=True)
    torch.set_num_threads(1)  # sums in another order would give other weights


def _linear_layers(inputs: int, sizes: Sequence[int]) -> "torch.nn.ModuleList":
    """A layer for each level; that of a level without codes has an output that is left out when it is served."""
    return torch.nn.ModuleList(torch.nn.Linear(inputs, max(size, 1)) for size in sizes)


def _bag() -> "torch.nn.EmbeddingBag":
    bag = torch.nn.EmbeddingBag(BUCKETS, _NGRAM_DIMENSION, mode="mean", sparse=True)
    with torch.no_grad():
        bag.weight *= 0.1
    return bag


class NgramModel(torch.nn.Module):  # type: ignore[misc]  # torch has no types here
    """The mean of the n-grams' embeddings, then a linear layer per level."""

    def __init__(self, sizes: Sequence[int]) -> None:
        super().__init__()
        self.embedding = _bag()
        self.heads = _linear_layers(_NGRAM_DIMENSION, sizes)

    def forward(self, bag: "tuple[torch.Tensor, torch.Tensor]") -> "list[torch.Tensor]":
        """Logits [level][text, code] of texts, given as the buckets of all their n-grams and where those of each begin."""
        hidden = self.embedding(*bag)
        return [head(hidden) for head in self.heads]


class CodeModel(torch.nn.Module):  # type: ignore[misc]  # torch has no types here
    """Cosines of changed vectors, with what n-grams add to them, and vectors of codes [code, dimension].

    Those start as the vectors of the codes' titles; `above` [level, code] are what is above a code or itself, which share what
    they learn.
    """

    def __init__(self, titles: "torch.Tensor", above: Positions) -> None:
        super().__init__()
        dimension = titles.shape[1]
        self._titles = titles
        self.embedding = _bag()
        self.projection = torch.nn.Linear(_NGRAM_DIMENSION, dimension, bias=False)
        self.change = torch.nn.Parameter(torch.zeros(dimension, dimension))
        numbered = [np.unique(level, return_inverse=True) for level in above]
        self._above = [torch.from_numpy(number) for _, number in numbered]
        self.offsets = torch.nn.ParameterList(torch.zeros(len(codes), dimension) for codes, _ in numbered)
        self.scale = torch.nn.Parameter(torch.full((1,), _FIRST_CODE_SCALE))
        self.bias = torch.nn.Parameter(torch.zeros(len(titles)))

    def codes(self) -> "torch.Tensor":
        """[code, dimension], as long as the scale makes them."""
        offsets = sum(of[number] for of, number in zip(self.offsets, self._above, strict=True))
        return (self._titles + offsets) * self.scale.exp()

    def forward(self, vectors: "torch.Tensor", bag: "tuple[torch.Tensor, torch.Tensor]") -> "torch.Tensor":
        """Logits [text, code]."""
        vectors = functional.dropout(vectors, _CODE_DROPOUT, self.training)
        moved = vectors + vectors @ self.change.T + self.projection(self.embedding(*bag))
        return functional.normalize(moved, dim=1) @ self.codes().T + self.bias


class AdapterModel(torch.nn.Module):  # type: ignore[misc]  # torch has no types here
    """Cosines of changed vectors and titles [code, dimension], with a scale, and a bias of each code."""

    def __init__(self, titles: "torch.Tensor") -> None:
        super().__init__()
        self._titles = titles
        self.change = torch.nn.Parameter(torch.zeros(titles.shape[1], titles.shape[1]))
        self.scale = torch.nn.Parameter(torch.full((1,), _FIRST_SCALE))
        self.bias = torch.nn.Parameter(torch.zeros(len(titles)))

    def forward(self, vectors: "torch.Tensor") -> "torch.Tensor":
        """[text, code]."""
        vectors = functional.dropout(vectors, _ADAPTER_DROPOUT, self.training)
        changed = functional.normalize(vectors + vectors @ self.change.T, dim=1)
        return changed @ self._titles.T * self.scale.exp() + self.bias * _BIAS_PACE


class RerankerModel(torch.nn.Module):  # type: ignore[misc]  # torch has no types here
    """Scores of candidates, and last the one of "none of them"."""

    def __init__(self, features: int, whole: int) -> None:
        super().__init__()
        self.hidden = torch.nn.Linear(features, _HIDDEN)
        self.score = torch.nn.Linear(_HIDDEN, 1, bias=False)
        self.whole_hidden = torch.nn.Linear(whole, _WHOLE_HIDDEN)
        self.whole_score = torch.nn.Linear(_WHOLE_HIDDEN, 1)

    def forward(self, values: "torch.Tensor", whole: "torch.Tensor", absent: "torch.Tensor") -> "torch.Tensor":
        """[text, candidate + 1] of scaled features; those of `absent` candidates are far below all others."""
        scores = self.score(torch.relu(self.hidden(values)))[:, :, 0].masked_fill(absent, _NOT_THERE)
        return torch.cat([scores, self.whole_score(torch.relu(self.whole_hidden(whole)))], dim=1)


class _Adagrad:
    """Adagrad by hand: torch.optim would load the compiler, and with it packages that the trainer image does without."""

    def __init__(self, model: "torch.nn.Module") -> None:
        self._parameters = list(model.parameters())
        self._squares = [torch.zeros_like(parameter) for parameter in self._parameters]

    def step(self, rate: float) -> None:
        with torch.no_grad():
            for parameter, square in zip(self._parameters, self._squares, strict=True):
                if parameter.grad is None:
                    continue
                gradient, touched = _dense_rows(parameter.grad)
                square[touched] += gradient**2
                parameter[touched] -= rate * gradient / (square[touched].sqrt() + 1e-8)
                parameter.grad = None


def _dense_rows(gradient: "torch.Tensor") -> "tuple[torch.Tensor, torch.Tensor | slice]":
    """The rows of a gradient that are not zero, and which these are: a batch touches few of the embeddings."""
    if not gradient.is_sparse:
        return gradient, slice(None)
    gradient = gradient.coalesce()
    return gradient.values(), gradient.indices()[0]


def _descend(
    model: "torch.nn.Module",
    rows: int,
    loss: "Callable[[NDArray[np.int64]], torch.Tensor]",
    epochs: int,
    rate: float,
) -> None:
    """Adagrad over batches in random order, with a rate that falls to nothing."""
    optimiser = _Adagrad(model)
    for epoch in range(epochs):
        for batch in torch.randperm(rows).split(_BATCH):
            loss(batch.numpy()).backward()
            optimiser.step(rate * (1 - epoch / epochs))
    model.eval()


def _classification_loss(
    logits: "list[torch.Tensor]", targets: Sequence[Positions], batch: NDArray[np.int64]
) -> "torch.Tensor":
    losses = [
        functional.cross_entropy(found, torch.from_numpy(wanted[batch]), reduction="sum", ignore_index=UNKNOWN)
        for found, wanted in zip(logits, targets, strict=True)
    ]
    return sum(losses) / len(batch)


def part_of(tokens: Tokens, rows: NDArray[np.int64]) -> Tokens:
    """The tokens of these texts."""
    ends = np.append(tokens.starts, len(tokens.hashes))
    counts = ends[rows + 1] - ends[rows]
    starts = np.cumsum(counts) - counts
    places = np.repeat(ends[rows] - starts, counts) + np.arange(int(counts.sum()))
    return Tokens(tokens.hashes[places], starts)


def bag_of(tokens: Tokens, rows: NDArray[np.int64]) -> "tuple[torch.Tensor, torch.Tensor]":
    """The buckets of the n-grams of these texts, one behind the other, and where those of each begin."""
    part = part_of(tokens, rows)
    return torch.from_numpy((part.hashes % BUCKETS).astype(np.int64)), torch.from_numpy(part.starts)


def train_ngrams(tokens: Tokens, targets: Sequence[Positions], sizes: Sequence[int]) -> NgramModel:
    """Train on the n-grams of texts; `targets` [level][text] are the outputs wanted of heads of these sizes, or -100."""
    model = NgramModel(sizes)

    def loss(batch: NDArray[np.int64]) -> "torch.Tensor":
        return _classification_loss(model(bag_of(tokens, batch)), targets, batch)

    _descend(model, len(tokens.starts), loss, _NGRAM_EPOCHS, _NGRAM_RATE)
    return model


@dataclass(frozen=True, slots=True)
class Texts:
    """Texts to learn from: their vectors [text, dimension], n-grams and the numbers of their codes."""

    vectors: Array
    ngrams: Tokens
    targets: Positions


def train_code_vectors(texts: Texts, titles: Array, above: Positions) -> CodeModel:
    """Train vectors of codes that texts are near to; `titles` [code, dimension], `above` [level, code]."""
    model = CodeModel(torch.from_numpy(titles), above)

    def loss(batch: NDArray[np.int64]) -> "torch.Tensor":
        logits = model(torch.from_numpy(texts.vectors[batch]), bag_of(texts.ngrams, batch))
        return functional.cross_entropy(logits, torch.from_numpy(texts.targets[batch]))

    _descend(model, len(texts.targets), loss, _CODE_EPOCHS, _CODE_RATE)
    return model


def train_adapter(vectors: Array, titles: Array, targets: Positions) -> Array:
    """What is added to vectors of texts, of themselves, so that each is nearest to the title [code] at its target."""
    model = AdapterModel(torch.from_numpy(titles))

    def loss(batch: NDArray[np.int64]) -> "torch.Tensor":
        return functional.cross_entropy(model(torch.from_numpy(vectors[batch])), torch.from_numpy(targets[batch]))

    _descend(model, len(vectors), loss, _ADAPTER_EPOCHS, _ADAPTER_RATE)
    return _array(model.change)


def ngram_heads(model: NgramModel, positions: Sequence[Positions]) -> NgramHeads:
    """The trained weights as they are served."""
    heads = [
        Head(_array(head.weight)[: len(codes)], _array(head.bias)[: len(codes)], codes)
        for head, codes in zip(model.heads, positions, strict=True)
    ]
    return NgramHeads(_array(model.embedding.weight), heads)


def code_vectors(model: CodeModel, positions: Positions) -> CodeVectors:
    """The trained weights as they are served."""
    head = Head(_array(model.codes()), _array(model.bias), positions)
    embedding = _array(model.embedding.weight).astype(np.float16)
    return CodeVectors(_array(model.change), embedding, _array(model.projection.weight), head)


def _array(tensor: "torch.Tensor") -> Array:
    found: Array = tensor.detach().numpy()
    return found


def targets_of(evidence: Evidence, wanted: Positions) -> Positions:
    """[text] the number of the candidate that is wanted; one more than the last where it is not among them."""
    found = evidence.positions == wanted[:, None]
    places: Positions = np.where(found.any(axis=1), found.argmax(axis=1), evidence.positions.shape[1])
    return places


def train_reranker(evidence: Evidence, wanted: Positions) -> Reranker:
    """Train to find the wanted code [text] among the candidates of each text."""
    there = evidence.positions >= 0
    mean, spread = _scale(evidence.values[:, :, feature][there] for feature in range(evidence.values.shape[2]))
    whole_mean, whole_spread = _scale(evidence.whole.T)
    model = RerankerModel(len(mean), len(whole_mean))
    targets = torch.from_numpy(targets_of(evidence, wanted))

    def loss(batch: NDArray[np.int64]) -> "torch.Tensor":
        values = torch.from_numpy((evidence.values[batch] - mean) / spread)
        whole = torch.from_numpy((evidence.whole[batch] - whole_mean) / whole_spread)
        return functional.cross_entropy(model(values, whole, torch.from_numpy(~there[batch])), targets[batch])

    _descend(model, len(wanted), loss, _RERANKER_EPOCHS, _RERANKER_RATE)
    return Reranker(
        mean=mean,
        spread=spread,
        hidden_weight=_array(model.hidden.weight),
        hidden_bias=_array(model.hidden.bias),
        weight=_array(model.score.weight),
        whole_mean=whole_mean,
        whole_spread=whole_spread,
        whole_hidden_weight=_array(model.whole_hidden.weight),
        whole_hidden_bias=_array(model.whole_hidden.bias),
        whole_weight=_array(model.whole_score.weight),
        whole_bias=_array(model.whole_score.bias),
    )


def _scale(features: Iterable[Array]) -> tuple[Array, Array]:
    """The mean and the spread of each feature, one by one: doubles of all of them would take gigabytes."""
    found = [(of.mean(dtype=np.float64), of.std(dtype=np.float64)) for of in features]
    mean, spread = np.array(found).T
    return mean.astype(np.float32), np.where(spread < 1e-4, 1, spread).astype(np.float32)  # noqa: PLR2004
